"""Which metrics a run reports, in which direction they point, and what their signatures say."""

from collections.abc import Mapping
from dataclasses import dataclass

from diversity_eval.metrics.prompt_metrics import HIGHER_IS_BETTER
from diversity_eval.metrics.quality import QUALITY_HIGHER_IS_BETTER, QUALITY_UNSCORED
from diversity_eval.metrics.signature import Signature, metric_fields
from diversity_eval.scoring.novelty import NOVELTY_COUNTS, NoveltyNames

__all__ = ["COUNTS", "UNDEFINED", "Reported"]

UNDEFINED = "undefined"
"""The number of prompts for which some metric has no value (say, distinct_2 of one-word responses)."""

COUNTS = frozenset({UNDEFINED, QUALITY_UNSCORED, *NOVELTY_COUNTS})
"""Results that are sums over prompts; all others are means over prompts."""


@dataclass(frozen=True)
class Reported:
    """The metrics of a run: all diversity metrics, and what embeddings, judge and classifier add.

    Attributes:
        embeddings: whether sentence embeddings are at hand.
        judge: the judge's fields for signatures (`JudgeConfig.signature_fields`); None without a judge.
        novelty: the metrics of NoveltyBench; None if they are not measured.
    """

    embeddings: bool = False
    judge: Mapping[str, str] | None = None
    novelty: NoveltyNames | None = None

    @property
    def distribution(self) -> bool:
        """Whether the judge gives a distribution, not only a rating."""
        return self.judge is not None and self.judge.get("judge_mode") == "rate"

    @property
    def means(self) -> list[str]:
        """The metrics that are averaged over prompts."""
        names = [name for name in HIGHER_IS_BETTER if self.embeddings or name != "vendi_score"]
        if self.judge is not None:
            names += [name for name in QUALITY_HIGHER_IS_BETTER if self.distribution or name == "quality"]
        if self.novelty is not None:
            names += [*self.novelty.main, *self.novelty.by_category]
        return names

    @property
    def without_spread(self) -> frozenset[str]:
        """The means that have no standard deviation beside them: a table of them would be too long."""
        return frozenset(self.novelty.by_category if self.novelty is not None else ())

    @property
    def counts(self) -> list[str]:
        """The results that are added up over prompts."""
        counts = [UNDEFINED, *([QUALITY_UNSCORED] if self.judge is not None else [])]
        return counts + (self.novelty.counts if self.novelty is not None else [])

    @property
    def directions(self) -> dict[str, bool]:
        """Whether more is better; metrics without a direction are left out."""
        known = {**HIGHER_IS_BETTER, **QUALITY_HIGHER_IS_BETTER}
        if self.novelty is not None:
            known |= dict.fromkeys([*self.novelty.main, *self.novelty.by_category], True)
        return {name: better for name in self.means if (better := known[name]) is not None}

    def signatures(self, run: Mapping[str, str]) -> dict[str, str]:
        """The signature of every metric: the run's fields, then the metric's own or the judge's."""
        found = {}
        for name in self.means:
            own = self.novelty.fields(name) if self.novelty is not None else None
            if own is None:
                own = dict(self.judge or {}) if name in QUALITY_HIGHER_IS_BETTER else metric_fields(name)
            found[name] = str(Signature(name, {**run, **own}))
        return found

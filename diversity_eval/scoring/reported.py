"""Which metrics a run reports, in which direction they point, and what their signatures say."""

from collections.abc import Mapping
from dataclasses import dataclass

from diversity_eval.metrics.prompt_metrics import HIGHER_IS_BETTER
from diversity_eval.metrics.quality import QUALITY_HIGHER_IS_BETTER, QUALITY_UNSCORED
from diversity_eval.metrics.signature import Signature, metric_fields

__all__ = ["COUNTS", "UNDEFINED", "Reported"]

UNDEFINED = "undefined"
"""The number of prompts for which some metric has no value (say, distinct_2 of one-word responses)."""

COUNTS = frozenset({UNDEFINED, QUALITY_UNSCORED})
"""Results that are sums over prompts; all others are means and have a standard deviation."""


@dataclass(frozen=True)
class Reported:
    """The metrics of a run: all diversity metrics, `vendi_score` with embeddings, quality with a judge.

    Attributes:
        embeddings: whether sentence embeddings are at hand.
        judge: the judge's fields for signatures (`JudgeConfig.signature_fields`); None without a judge.
    """

    embeddings: bool = False
    judge: Mapping[str, str] | None = None

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
        return names

    @property
    def counts(self) -> list[str]:
        """The results that are added up over prompts."""
        return [UNDEFINED, *([QUALITY_UNSCORED] if self.judge is not None else [])]

    @property
    def directions(self) -> dict[str, bool]:
        """Whether more is better; metrics without a direction are left out."""
        known = {**HIGHER_IS_BETTER, **QUALITY_HIGHER_IS_BETTER}
        return {name: better for name in self.means if (better := known[name]) is not None}

    def signatures(self, run: Mapping[str, str]) -> dict[str, str]:
        """The signature of every metric: the run's fields, then the metric's own or the judge's."""
        found = {}
        for name in self.means:
            own = self.judge if name in QUALITY_HIGHER_IS_BETTER else metric_fields(name)
            found[name] = str(Signature(name, {**run, **(own or {})}))
        return found

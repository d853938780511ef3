"""Which metrics a run reports, in which direction they point, and what their signatures say."""

from collections.abc import Mapping
from dataclasses import dataclass

from diversity_eval.metrics.prompt_metrics import HIGHER_IS_BETTER
from diversity_eval.metrics.signature import Signature, metric_fields
from diversity_eval.scoring.coverage import COVERAGE_COUNTS
from diversity_eval.scoring.family import FamilyNames
from diversity_eval.scoring.judged import JUDGED_COUNTS, JudgedMetrics, judged_metrics
from diversity_eval.scoring.novelty import NOVELTY_COUNTS
from diversity_eval.scoring.refusal import REFUSAL_COUNTS

__all__ = ["COUNTS", "UNDEFINED", "Reported"]

UNDEFINED = "undefined"
"""The number of prompts for which some metric has no value (say, distinct_2 of one-word responses)."""

COUNTS = frozenset({UNDEFINED, *JUDGED_COUNTS, *NOVELTY_COUNTS, *COVERAGE_COUNTS, *REFUSAL_COUNTS})
"""Results that are sums over prompts; all others are means over prompts."""


@dataclass(frozen=True)
class Reported:
    """The metrics of a run: all diversity metrics, and what embeddings, judge and families add.

    Attributes:
        embeddings: whether sentence embeddings are at hand.
        judge: the judge's fields for signatures (`JudgeConfig.signature_fields`); None without a judge.
        families: what the kind of task measures beside (`MetricFamily.names`).
        kind: of task, which decides what a judge's verdicts are worth.
        diversity: whether there are several responses to a prompt to compare.
    """

    embeddings: bool = False
    judge: Mapping[str, str] | None = None
    families: tuple[FamilyNames, ...] = ()
    kind: str = "instruction"
    diversity: bool = True

    @property
    def distribution(self) -> bool:
        """Whether the judge gives a distribution, not only a rating."""
        return self.judge is not None and self.judge.get("judge_mode") == "rate"

    @property
    def judged(self) -> JudgedMetrics | None:
        """What a judge adds."""
        if self.judge is None:
            return None
        lowest, _, highest = self.judge.get("scale", "0-5").partition("-")
        return judged_metrics(self.kind, (int(lowest), int(highest)), distribution=self.distribution)

    @property
    def of_diversity(self) -> list[str]:
        """The diversity metrics."""
        if not self.diversity:
            return []
        return [name for name in HIGHER_IS_BETTER if self.embeddings or name != "vendi_score"]

    @property
    def means(self) -> list[str]:
        """The metrics that are averaged over prompts."""
        return list(self._known)

    @property
    def without_spread(self) -> frozenset[str]:
        """The means that have no standard deviation beside them: a table of them would be too long."""
        return frozenset(name for family in self.families for name in family.by_category)

    @property
    def counts(self) -> list[str]:
        """The results that are added up over prompts."""
        counts = [UNDEFINED, *([self.judged.unscored] if self.judged is not None else [])]
        return [*counts, *(name for family in self.families for name in family.counts)]

    @property
    def directions(self) -> dict[str, bool]:
        """Whether more is better; metrics without a direction are left out."""
        return {name: better for name, better in self._known.items() if better is not None}

    @property
    def _known(self) -> dict[str, bool | None]:
        known = {name: HIGHER_IS_BETTER[name] for name in self.of_diversity}
        if self.judged is not None:
            known |= self.judged.directions
        for family in self.families:
            known |= family.directions
        return known

    def signatures(self, run: Mapping[str, str]) -> dict[str, str]:
        """The signature of every metric: the run's fields, then the metric's own or the judge's."""
        return {name: str(Signature(name, {**run, **self._own_fields(name)})) for name in self.means}

    def _own_fields(self, name: str) -> dict[str, str]:
        for family in self.families:
            if (own := family.fields(name)) is not None:
                return own
        if self.judged is not None and name in self.judged.directions:
            return {**(self.judge or {}), **self.judged.parameters}
        return metric_fields(name)

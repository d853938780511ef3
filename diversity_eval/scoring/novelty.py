"""Distinct and Utility of many prompts, from what a NoveltyBench judge says of their responses."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from diversity_eval.judging.novelty.items import Answer, NoveltyMetric, NoveltyResult
from diversity_eval.metrics.novelty import UNKNOWN, distinct, is_known, utility
from diversity_eval.scoring.family import PromptResponses, category_slug, known_categories

__all__ = ["NOVELTY_COUNTS", "NoveltyNames", "NoveltyScorer"]

PARTITION_UNKNOWN = "partition_unknown"
"""The number of prompts whose classes are not known, so that they have no Distinct."""
UTILITY_UNKNOWN = "utility_unknown"
"""The number of prompts without a Utility."""
RESPONSES_CUT = "responses_cut"
"""The number of responses of which a comparison saw only the beginning."""
RESPONSES_EMPTY = "responses_empty"
"""The number of responses without any text."""

NOVELTY_COUNTS = frozenset({PARTITION_UNKNOWN, UTILITY_UNKNOWN, RESPONSES_CUT, RESPONSES_EMPTY})
"""Results that are sums over prompts."""


@dataclass(frozen=True)
class NoveltyNames:
    """The metrics of a NoveltyBench judge, and what their signatures say.

    Attributes:
        suffix: of the names; empty for the benchmark's own classifier.
        scored: whether there is a Utility.
        categories: slugs of the prompts' categories, for values per category.
        partition_fields: what a partition depends on.
        score_fields: what scores depend on beyond it.
    """

    suffix: str = ""
    scored: bool = False
    categories: tuple[str, ...] = ()
    partition_fields: Mapping[str, str] = field(default_factory=dict)
    score_fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def distinct(self) -> str:
        """The name of Distinct."""
        return f"distinct{self.suffix}"

    @property
    def utility(self) -> str:
        """The name of Utility."""
        return f"utility{self.suffix}"

    @property
    def main(self) -> list[str]:
        """The metrics over all prompts."""
        return [self.distinct, *([self.utility] if self.scored else [])]

    @property
    def directions(self) -> Mapping[str, bool | None]:
        """All of them are better if there is more of them."""
        return dict.fromkeys([*self.main, *self.by_category], True)

    @property
    def by_category(self) -> list[str]:
        """The metrics over the prompts of one category."""
        return [f"{name}.{category}" for category in self.categories for name in self.main]

    @property
    def counts(self) -> list[str]:
        """The counts."""
        scored = [UTILITY_UNKNOWN] if self.scored else []
        return [PARTITION_UNKNOWN, *scored, RESPONSES_CUT, RESPONSES_EMPTY]

    def fields(self, name: str) -> dict[str, str] | None:
        """A metric's own fields in its signature; None for other metrics."""
        known: dict[str, tuple[str, str | None]] = {whole: (whole, None) for whole in self.main}
        for category in self.categories:
            known |= {f"{whole}.{category}": (whole, category) for whole in self.main}
        if name not in known:
            return None
        whole, of = known[name]
        fields_ = dict(self.partition_fields)
        if whole == self.utility:
            fields_ |= self.score_fields
        return fields_ if of is None else {**fields_, "category": of}


class NoveltyScorer:
    """A NoveltyBench judge with what it said of every prompt."""

    def __init__(
        self,
        metric: NoveltyMetric,
        *,
        categories: Sequence[str] = (),
        on_error: Callable[[BaseException], str] | None = None,
        keep_on_interrupt: bool = False,
    ) -> None:
        """Say what is measured.

        Args:
            metric: decides which responses are the same, and maybe scores them.
            categories: those of the prompts, for values per category.
            on_error: takes what ended the work and gives a reason; what is not known by then stays unknown
                for it. Without it the error is the caller's.
            keep_on_interrupt: an interrupt from the keyboard is such an end too, where responses would be
                lost by it.
        """
        self.metric = metric
        self._ends = (Exception, KeyboardInterrupt) if keep_on_interrupt else (Exception,)
        self._categories = known_categories(categories)
        self._on_error = on_error
        self._results: dict[Any, NoveltyResult] = {}
        self._names: NoveltyNames | None = None

    @property
    def names(self) -> NoveltyNames:
        """Names and signature fields; after `judge_all` also what could only be found out by opening."""
        if self._names is None:  # fields of a local checkpoint are a digest of its files
            self._names = NoveltyNames(
                self.metric.suffix,
                self.metric.scores_responses,
                self._categories,
                self.metric.partition_fields(),
                self.metric.score_fields(),
            )
        return self._names

    def judge_all(self, prompts: Sequence[PromptResponses]) -> None:
        """Judge the responses to every prompt, all of them together."""
        new = [p for p in dict.fromkeys(prompts) if p not in self._results]
        self._results |= {p: self._of_too_few(p) for p in new if len(p.responses) < 2}
        todo = [p for p in new if p not in self._results]
        if not todo:
            return
        answers = [[Answer(p.prompt, text) for text in p.responses] for p in todo]
        try:
            found = self.metric.judge(answers)
        except self._ends as error:  # a model in this process can raise anything, after hours of generation
            if self._on_error is None:
                raise
            found = self.metric.kept(answers, self._on_error(error))
        self._results |= zip(todo, found, strict=True)
        self._names = None

    def result(self, prompt: PromptResponses) -> NoveltyResult:
        """What is known of a prompt's responses."""
        if prompt not in self._results:
            self.judge_all([prompt])
        return self._results[prompt]

    def _of_too_few(self, prompt: PromptResponses) -> NoveltyResult:
        k = len(prompt.responses)
        nothing: tuple[None, ...] = (None,) * k
        return NoveltyResult(
            (UNKNOWN,) * k,
            scores=nothing if self.metric.scores_responses else None,
            cut=(False,) * k,
            reasons=("fewer than two responses",),
        )

    def values(self, prompt: PromptResponses) -> dict[str, float]:
        """The prompt's metrics and counts; nan where there is no value."""
        names, result = self.names, self.result(prompt)
        known = bool(result.partition) and is_known(result.partition)
        values = {names.distinct: float(distinct(result.partition)) if known else math.nan}
        if names.scored:
            scores = result.scores or (None,) * len(result.partition)
            values[names.utility] = utility(result.partition, scores) if known else math.nan
        main = dict(values)
        for category in map(category_slug, prompt.categories):
            if category in names.categories:
                values |= {f"{name}.{category}": value for name, value in main.items()}
        values[PARTITION_UNKNOWN] = float(not known)
        if names.scored:
            values[UTILITY_UNKNOWN] = float(math.isnan(values[names.utility]))
        values[RESPONSES_CUT] = float(sum(result.cut))
        values[RESPONSES_EMPTY] = float(sum(not text.strip() for text in prompt.responses))
        return values

    def notes(self, prompt: PromptResponses) -> dict[str, Any]:
        """What the sample log says beside the metrics."""
        result = self.result(prompt)
        notes: dict[str, Any] = {"partition": list(result.partition)}
        if result.scores is not None:
            notes["generation_scores"] = list(result.scores)
        if result.rewards is not None:
            notes["rewards"] = list(result.rewards)
        if result.reasons:
            notes["novelty_unknown"] = list(result.reasons)
        return notes

    def unknown(self, prompts: Iterable[PromptResponses]) -> dict[str, int]:
        """How many of these prompts have no Distinct, and no Utility where there should be one."""
        counts: Counter[str] = Counter(dict.fromkeys(self.names.main, 0))
        for prompt in prompts:
            values = self.values(prompt)
            counts.update(name for name in self.names.main if math.isnan(values[name]))
        return dict(counts)

    def reasons(self) -> list[str]:
        """Why, each reason once."""
        return list(dict.fromkeys(reason for r in self._results.values() for reason in r.reasons))

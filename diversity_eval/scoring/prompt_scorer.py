"""Scores whole tasks: all prompts' responses first, then one prompt at a time as they are asked for."""

import math
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from diversity_eval.judging.rater import Rater, Rating
from diversity_eval.judging.verdict import Verdict
from diversity_eval.scoring.family import MetricFamily, PromptResponses
from diversity_eval.scoring.reported import COUNTS, UNDEFINED, Reported
from diversity_eval.scoring.workers import Measure, measure_here

__all__ = ["PromptMetrics", "PromptScorer"]


class PromptMetrics(dict[str, Any]):
    """One prompt's metrics, as lm-eval's sample log shows them.

    lm-eval aggregates one value per metric and adds a standard error, but no standard deviation. Its
    accumulator reads `items()`, its log copies the mapping; so each value goes to a second
    accumulator NAME_std without a second copy of the value in the log. `notes` (a judge's ratings) are in
    the mapping, hence in the log, but are no metrics.
    """

    def __init__(
        self,
        values: dict[str, float],
        notes: dict[str, Any] | None = None,
        without_spread: frozenset[str] = frozenset(),
    ) -> None:
        """`values` are the metrics; `notes` go into the log beside them."""
        super().__init__({**values, **(notes or {})})
        self._names = list(values)
        self._without_spread = COUNTS | without_spread

    def keys(self) -> KeysView[str]:  # type: ignore[override]  # a view, but not dict's own class
        """The metrics' names."""
        return dict.fromkeys(self._names).keys()

    def items(self) -> ItemsView[str, float]:  # type: ignore[override]
        """The metrics, then every one that has a spread once more as NAME_std."""
        return _WithSpread({name: self[name] for name in self._names}, self._without_spread)


class _WithSpread(ItemsView[str, float]):
    def __init__(self, metrics: dict[str, float], without_spread: frozenset[str]) -> None:
        super().__init__(metrics)
        self._metrics = metrics
        self._without_spread = without_spread

    def __iter__(self) -> Iterator[tuple[str, float]]:
        for name in self._metrics:
            yield name, self._metrics[name]
        for name in self._metrics:
            if name not in self._without_spread:
                yield f"{name}_std", self._metrics[name]

    def __len__(self) -> int:
        return sum(1 for _ in self)


class PromptScorer:
    """Diversity metrics of many prompts, and what a judge and families add; repeated work is done once."""

    def __init__(
        self,
        embed: Callable[[list[str]], Any] | None = None,
        rater: Rater | None = None,
        families: Sequence[MetricFamily] = (),
        *,
        kind: str = "instruction",
        prompt_field: str = "",
        diversity: bool = True,
        every_name: bool = False,
        retry_unscored: bool = False,
        measure: Measure = measure_here,
        on_judge_error: Callable[[BaseException], str] | None = None,
    ) -> None:
        """Say what is measured.

        Args:
            embed: maps texts to an (n, d) array; with it `vendi_score` is among the metrics.
            rater: with it the judge's metrics are among them (`judged_metrics`).
            families: what the kind of task measures beside.
            kind: of the prompts that will be scored; it decides about the rubric.
            prompt_field: where the prompts that a judge is shown come from, for its signature.
            diversity: whether there are several responses to a prompt to compare.
            every_name: give every prompt's metrics all names, nan for what no prompt here has a value for, so
                that several ranks report the same ones.
            retry_unscored: ask the judge again where its earlier answer gave no rating.
            measure: computes the diversity metrics (`workers.metric_workers`).
            on_judge_error: takes what ended the rating and gives a reason; the responses that have no verdict
                yet are then unscored for it. Without it the error is the caller's.
        """
        self._on_judge_error = on_judge_error
        self._measure = measure
        self._embed = embed
        self.rater = rater
        self._families = tuple(families)
        self._every_name = every_name
        self._retry_unscored = retry_unscored
        judge = {**rater.signature_fields(kind), "judge_prompt": prompt_field or "as sent"} if rater else None
        self.reported = Reported(
            embeddings=embed is not None and diversity,
            judge=judge,
            families=tuple(family.names for family in families),
            kind=kind,
            diversity=diversity,
        )
        self._values: dict[PromptResponses, dict[str, float]] = {}
        self._verdicts: dict[PromptResponses, list[Verdict]] = {}
        self._defined: set[str] = set()

    def score_all(self, prompts: Iterable[PromptResponses]) -> None:
        """Score every prompt. The judge gets the responses of all of them at once."""
        todo = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._values]
        compared = [prompt for prompt in todo if len(prompt.responses) > 1 and self.reported.diversity]
        texts = sorted({text for prompt in compared for text in prompt.responses})
        vectors = dict(zip(texts, self._embed(texts), strict=True)) if self._embed and texts else None
        self._verdicts |= self._rate(todo)
        for family in self._families:
            family.judge_all(todo)
        self.reported = replace(self.reported, families=tuple(family.names for family in self._families))
        diversity = dict(
            zip(compared, self._measure([_material(prompt, vectors) for prompt in compared]), strict=True)
        )
        # One response can only be rated.
        alone = dict.fromkeys(self.reported.of_diversity, math.nan)
        for prompt in todo:
            values = dict(diversity.get(prompt, alone))
            if (judged := self.reported.judged) is not None:
                values |= judged.values(prompt, self._verdicts[prompt])
            for family in self._families:
                values |= family.values(prompt)
            self._values[prompt] = values
            self._defined |= {name for name, value in values.items() if not math.isnan(value)}

    def score(self, prompt: PromptResponses) -> PromptMetrics:
        """One prompt's metrics.

        A metric without a value for this prompt is left out, so that means and standard errors are
        over the prompts that have one, and the prompt counts as `undefined`. A metric without a value
        for any prompt of this rank stays in as nan, since every rank must report the same names.
        """
        if prompt not in self._values:
            self.score_all([prompt])
        values = self._values[prompt]
        if self._every_name:
            absent = [name for name in self.reported.means if name not in self._defined]
            values = {**dict.fromkeys(absent, math.nan), **values}
        shown = {
            name: value
            for name, value in values.items()
            if not math.isnan(value) or name not in self._defined
        }
        missing = any(math.isnan(value) for value in self._values[prompt].values())
        return PromptMetrics(
            {**shown, UNDEFINED: float(missing)}, self._notes(prompt), self.reported.without_spread
        )

    @property
    def rated(self) -> int:
        """The number of responses that a judge was to rate."""
        return sum(len(verdicts) for verdicts in self._verdicts.values())

    @property
    def unscored(self) -> int:
        """The number of those that have no rating."""
        return sum(v.rating is None for verdicts in self._verdicts.values() for v in verdicts)

    def _rate(self, prompts: list[PromptResponses]) -> dict[PromptResponses, list[Verdict]]:
        if self.rater is None or not prompts:
            return {}
        items = [Rating(p.kind, p.prompt, response) for p in prompts for response in p.responses]
        try:
            found = self.rater.rate(items, retry_unscored=self._retry_unscored)
        except (Exception, KeyboardInterrupt) as error:  # anything may come, after hours of generation
            if self._on_judge_error is None:
                raise
            found = self.rater.kept(items, self._on_judge_error(error))
        verdicts = iter(found)
        return {prompt: [next(verdicts) for _ in prompt.responses] for prompt in prompts}

    def _notes(self, prompt: PromptResponses) -> dict[str, Any]:
        notes: dict[str, Any] = {}
        for family in self._families:
            notes |= family.notes(prompt)
        verdicts = self._verdicts.get(prompt)
        if verdicts is None:
            return notes
        notes["ratings"] = [verdict.rating for verdict in verdicts]
        if self.reported.distribution:
            notes["expected_ratings"] = [verdict.expected_rating for verdict in verdicts]
        notes["unscored"] = [
            {"response": index, "reason": verdict.reason, "reply": verdict.reply}
            for index, verdict in enumerate(verdicts)
            if verdict.rating is None
        ]
        return notes


def _material(prompt: PromptResponses, vectors: dict[str, Any] | None) -> tuple[tuple[str, ...], Any]:
    """What the diversity metrics are of: responses, and their embeddings if there are any."""
    embeddings = np.stack([vectors[text] for text in prompt.responses]) if vectors is not None else None
    return prompt.responses, embeddings

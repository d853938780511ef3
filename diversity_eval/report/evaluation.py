"""One task of one checkpoint, as a report sees it: values by prompt, and where they come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["EvaluatedPrompt", "Evaluation", "MetricValues"]


@dataclass(frozen=True, slots=True)
class EvaluatedPrompt:
    """A prompt with its responses, for the response browser.

    Attributes:
        key: what the prompt is called in all runs over the same data: its own id, else its place.
        prompt: its text; empty if the run was kept without texts.
        responses: cleaned; empty if not kept.
        ratings: a judge's, one for each response, None where it has none; empty without a judge.
        partition: NoveltyBench's class of each response, -1 where not known; empty without.
        distribution: the first-token probe's, as its log has it; empty without.
    """

    key: str
    prompt: str = ""
    responses: tuple[str, ...] = ()
    ratings: tuple[float | None, ...] = ()
    partition: tuple[int, ...] = ()
    distribution: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class MetricValues:
    """A metric of a run.

    Attributes:
        name: the metric's.
        values: float array, one for each of the run's prompts, nan where undefined; None if only the mean is
            known.
        mean, std: over prompts; std nan if not known.
        n: the prompts with a value.
        higher_is_better: None for a metric without a direction.
        signature: its fields; values are `unknown` where the log does not say.
        counts_missing: for a judge's metric, the number of responses without a rating.
    """

    name: str
    values: np.ndarray[Any, np.dtype[np.float64]] | None
    mean: float
    std: float
    n: int
    higher_is_better: bool | None
    signature: Mapping[str, str]
    counts_missing: int = 0


@dataclass(frozen=True)
class Evaluation:
    """One task of one run.

    Attributes:
        checkpoint: what the run calls its checkpoint: a path, a Hub id; empty if nothing says.
        task: the task's name.
        path: the file that it was read from.
        prompts: in the file's order; their keys are unique.
        metrics: by name.
        available: the number of prompts that the task has; None if not known.
        provenance: what is known of how it came about, by name, for people: the command, versions, seeds.
        loss, parameters, base_model: how the checkpoint was trained, where that is known.
    """

    checkpoint: str
    task: str
    path: Path
    prompts: tuple[EvaluatedPrompt, ...]
    metrics: Mapping[str, MetricValues]
    available: int | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    loss: str | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
    base_model: str | None = None

    def other_texts(self, others: Iterable[Evaluation]) -> bool:
        """Whether a prompt has another text under the same name in one of these. A text that was not kept
        is no other one.
        """
        own = {prompt.key: prompt.prompt for prompt in self.prompts if prompt.prompt}
        return any(
            prompt.prompt and own.get(prompt.key, prompt.prompt) != prompt.prompt
            for other in others
            for prompt in other.prompts
        )

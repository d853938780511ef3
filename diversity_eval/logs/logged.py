"""A run as it is read from a file: which prompts, which responses, and what is known about them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import diversity_eval

__all__ = ["LoggedPrompt", "LoggedRun", "record_of"]

_FIRST = re.compile(r"(?:all|first [0-9]+ of) (?P<count>[0-9]+)")


@dataclass(frozen=True, slots=True)
class LoggedPrompt:
    """One prompt and its responses.

    Attributes:
        doc_id: the document's place in the data, from 0; in files without one, its place in the file.
        prompt: the bare prompt, as a judge is shown it.
        responses: cleaned, in the file's order: what metrics and judges see.
        raw_responses: the same as the model wrote them; equal to `responses` where only those are logged.
        row: lm-eval's fields of the prompt (`doc`, `target`, `arguments`, `resps`, ...), without metrics.
        id: the prompt's own name, where the file gives one.
        metrics: the values that the file has, by metric.
        notes: what else it says of the prompt: `ratings`, `partition`, `distribution`, ...
        categories: of the prompt, where the file gives some.
        reference: the right answer, where the task has one.
        labels: the options to choose from, where the task has some.
        missing: responses that the file says were not to be had; they are not among `responses`.
    """

    doc_id: int
    prompt: str
    responses: tuple[str, ...]
    raw_responses: tuple[str, ...]
    row: Mapping[str, Any] = field(default_factory=dict)
    id: str | int | float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    categories: tuple[str, ...] = ()
    reference: str = ""
    labels: tuple[str, ...] = ()
    missing: int = 0


@dataclass(frozen=True)
class LoggedRun:
    """One task of one run: all its prompts with their responses.

    Attributes:
        task: the task's name; of a file that names none, the file's name without its ending.
        model: the evaluated model's name; None if the file does not say.
        path: the file with the responses.
        sha256: its digest.
        kind: of task, `story` or `instruction` or the user's own: which rubric a judge uses.
        prompt_field: the field of `doc` that is the bare prompt; None if `prompt` is the text as sent.
        prompts: in the file's order.
        fields: what is known of the run for signatures, without `k` and `version`; else "unknown".
        time: lm-eval's time stamp in the file's name.
        results: lm-eval's whole results file; empty if there is none.
        results_path: that file.
        available: the number of prompts that the task has; None if the file does not say.
        left_out: the prompts of the file that have no response at all; they are not among `prompts`.
        judged: whether a judge's opinion of the responses is wanted (not of answers that are right or wrong).
    """

    task: str
    model: str | None
    path: Path
    sha256: str
    kind: str
    prompt_field: str | None
    prompts: tuple[LoggedPrompt, ...]
    fields: Mapping[str, str]
    time: str | None = None
    results: Mapping[str, Any] = field(default_factory=dict, repr=False)
    results_path: Path | None = None
    available: int | None = None
    left_out: int = 0
    judged: bool = True

    @property
    def config(self) -> Mapping[str, Any]:
        """The task's configuration in the results file; empty if there is none."""
        return _config_of(self.results, self.task)

    @property
    def record(self) -> Mapping[str, Any]:
        """What this project's tasks and `score` wrote about the run; empty for other tasks."""
        return record_of(self.results, self.task)

    @property
    def categories(self) -> list[str]:
        """Those of its prompts, each once, in alphabetical order."""
        return sorted({category for prompt in self.prompts for category in prompt.categories})

    @property
    def fewest(self) -> int:
        """The smallest number of responses to a prompt."""
        return min(len(prompt.responses) for prompt in self.prompts)

    @property
    def most(self) -> int:
        """The largest number of responses to a prompt."""
        return max(len(prompt.responses) for prompt in self.prompts)

    @property
    def k(self) -> str:
        """The number of responses to a prompt, `10`, or if it is not the same for all, `8-10`."""
        return str(self.most) if self.fewest == self.most else f"{self.fewest}-{self.most}"

    def signature_fields(self) -> dict[str, str]:
        """What all metrics of this run share in their signatures, computed by this version of the package."""
        return {**self.fields, "k": self.k, "version": diversity_eval.__version__}

    def first(self, limit: int) -> "LoggedRun":
        """The run with the first `limit` of its prompts only; the signatures say so."""
        if limit >= len(self.prompts):
            return self
        docs = self.fields["docs"]
        whole = _FIRST.fullmatch(docs)
        docs = f"first {limit} of {whole['count'] if whole else docs}"
        # Prompts that had no response are not among the first ones.
        fields = {**self.fields, "docs": docs}
        return replace(self, prompts=self.prompts[:limit], fields=fields, left_out=0)


def record_of(results: Mapping[str, Any], task: str) -> Mapping[str, Any]:
    """What this project's tasks and `score` wrote about a task into a results file; empty for other tasks."""
    return _mapping(_mapping(_config_of(results, task).get("metadata")).get("diversity_eval"))


def _config_of(results: Mapping[str, Any], task: str) -> Mapping[str, Any]:
    return _mapping(_mapping(results.get("configs")).get(task))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}

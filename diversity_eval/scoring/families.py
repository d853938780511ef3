"""Which families of metrics a task has, from what its YAML (or its log) says."""

import atexit
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Literal, get_args

from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs.logged import LoggedPrompt, LoggedRun
from diversity_eval.scoring.choice import ChoiceScorer
from diversity_eval.scoring.coverage import CoverageScorer, Verifier
from diversity_eval.scoring.family import MetricFamily, PromptResponses
from diversity_eval.scoring.refusal import RefusalScorer
from diversity_eval.verifying import AnswerVerifier

__all__ = ["Measures", "families_of", "logged_responses", "measures_of"]

Measures = Literal["coverage", "refusal", "choice"]
"""`coverage`: right answers to problems; `refusal`: success of attacks; `choice`: accuracy on options."""


def measures_of(task: str, settings: Mapping[str, Any]) -> Measures | None:
    """What a task measures beside diversity; None for nothing.

    Raises DiversityEvalError for a word that is not one of `Measures`.
    """
    value = settings.get("measures")
    if value is None or value in get_args(Measures):
        return value
    raise DiversityEvalError(
        f"{task}: `measures` is {value!r}; expected one of {', '.join(get_args(Measures))}"
    )


def families_of(
    task: str,
    settings: Mapping[str, Any],
    categories: Iterable[str],
    *,
    largest_k: int,
    verifier: Callable[[], Verifier] | None = None,
) -> list[MetricFamily]:
    """The families of a task (NoveltyBench's, which needs models, is opened apart).

    Args:
        task: its name, for messages.
        settings: `metadata.diversity_eval` of its YAML, or the record of it in a results file.
        categories: those of its documents.
        largest_k: the k of coverage.
        verifier: opens what says which answers are right; called only where it is needed. If not said, all
            tasks of a process share one.
    """
    names = sorted(set(categories))
    measures = measures_of(task, settings)
    if measures == "coverage":
        return [CoverageScorer((verifier or _shared_verifier)(), largest_k=largest_k, categories=names)]
    if measures == "refusal":
        return [RefusalScorer(categories=names)]
    if measures == "choice":
        return [
            ChoiceScorer(macro=bool(settings.get("macro")), begun=str(settings.get("answer_begun") or ""))
        ]
    return []


@cache
def _shared_verifier() -> Verifier:
    """Shared, so that what several tasks have is verified once; its processes end with this one."""
    verifier = AnswerVerifier()
    atexit.register(verifier.close)
    return verifier


def logged_responses(run: LoggedRun, prompt: LoggedPrompt) -> PromptResponses:
    """A logged prompt as it is scored."""
    return PromptResponses(
        prompt.responses, prompt.prompt, run.kind, prompt.categories, prompt.reference, prompt.labels
    )

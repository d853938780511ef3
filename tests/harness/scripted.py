"""lm-eval's evaluator over the tests' own tasks, and a model with a fault: it answers from a script."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lm_eval import simple_evaluate
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager

__all__ = ["TASKS", "ScriptedLM", "evaluate", "manager", "texts"]

TASKS = str(Path(__file__).parent / "tasks")


def manager(metadata: dict[str, Any]) -> TaskManager:
    return TaskManager(include_path=TASKS, include_defaults=False, metadata=metadata)


def evaluate(
    lm: LM, task: str = "own_instruct", metadata: dict[str, Any] | None = None, **kwargs: Any
) -> Any:
    options = {"embeddings": "none", **(metadata or {})}
    return simple_evaluate(
        model=lm, tasks=[task], task_manager=manager(options), bootstrap_iters=100, **kwargs
    )


def texts(sample: dict[str, Any], field: str = "filtered_resps") -> list[str]:
    return [text for request in sample[field] for text in request]


class ScriptedLM(LM):  # type: ignore[misc]  # lm-eval ships no types
    """A backend with a fault: it answers from a script instead of sampling."""

    def __init__(self, answer: Callable[[int, str], str]) -> None:
        super().__init__()
        self.answer = answer
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        self.seen += [request.args for request in requests]
        return [self.answer(i, request.args[0]) for i, request in enumerate(requests)]

    def loglikelihood(self, requests: Sequence[Any]) -> list[Any]:
        raise NotImplementedError

    def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[Any]:
        raise NotImplementedError

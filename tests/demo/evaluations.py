"""Evaluations as the demo reads them, with values of the test's own."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from diversity_eval.demo.evaluation import TASKS, Evaluation
from diversity_eval.logs.logged import LoggedPrompt, LoggedRun

Values = Mapping[str, Sequence[float]]


def an_evaluation(values: Values, *, responses: Sequence[str] = ("One end.", "Another.")) -> Evaluation:
    """Both tasks with the same per-prompt values, by metric; means and errors are those of `results`."""
    count = len(next(iter(values.values())))
    prompts = tuple(
        LoggedPrompt(
            doc_id=place,
            prompt=f"Opening {place}.",
            responses=tuple(responses),
            raw_responses=tuple(responses),
            metrics={metric: each[place] for metric, each in values.items()},
        )
        for place in range(count)
    )
    means: dict[str, float | str] = {}
    for metric, each in values.items():
        means[f"{metric},none"] = sum(each) / count
        means[f"{metric}_stderr,none"] = 0.25
    results = {"results": {task: dict(means) for task in TASKS}}
    runs = {
        task: LoggedRun(
            task=task, model="m", path=Path("samples.jsonl"), sha256="0" * 64, kind="story",
            prompt_field="prompt", prompts=prompts, fields={}, results=results,
        )
        for task in TASKS
    }  # fmt: skip
    return Evaluation(Path("results.json"), runs)

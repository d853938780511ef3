"""Results in lm-eval's own layout, so that whatever reads its results reads these."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from diversity_eval.data.writing import replacing, write_text
from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs.logged import LoggedRun
from diversity_eval.logs.rows import json_line
from diversity_eval.logs.sample_logs import safe_name
from diversity_eval.redaction import without_secrets

__all__ = ["NO_MODEL", "TaskResults", "Written", "write_results"]

NO_MODEL = "responses"
"""The folder and model name of a run whose file names no model."""

# Of the input's results file: what depends on how it was scored, written anew.
_REPLACED = (
    "results",
    "groups",
    "group_subtasks",
    "configs",
    "versions",
    "n-shot",
    "higher_is_better",
    "n-samples",
)


@dataclass(frozen=True)
class TaskResults:
    """What was measured on one logged run.

    Attributes:
        run: whose responses.
        results: lm-eval's keys (`NAME,none`, `NAME_stderr,none`, ...) and their values.
        rows: one mapping per prompt, in the run's order: its metrics and whatever else belongs into its line.
        metrics: per prompt, which of the row's keys are metrics.
        higher_is_better: by metric, for those that have a direction.
        record: what `metadata.diversity_eval` is to hold.
    """

    run: LoggedRun
    results: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    metrics: Sequence[Sequence[str]]
    higher_is_better: Mapping[str, bool]
    record: Mapping[str, Any]


@dataclass(frozen=True)
class Written:
    """Where the results of a run are: the results file, and the sample log of each task."""

    results_file: Path
    sample_logs: Mapping[str, Path]


def write_results(output: Path, tasks: Sequence[TaskResults], *, seconds: float = 0.0) -> Written:
    """Write the results of one run (tasks of one model and one time) as new files below `output`.

    OUT/MODEL/samples_TASK_TIME.jsonl, then OUT/MODEL/results_TIME.json; each whole or not at all, and none
    replaced.

    Args:
        output: the folder, made if need be.
        tasks: at least one; all of one results file or of one file of responses.
        seconds: how long the scoring took.

    Raises:
        DiversityEvalError: the files cannot be written.
    """
    first = tasks[0].run
    model = first.model or NO_MODEL
    folder = output / safe_name(model)
    lines = {task.run.task: _lines(task) for task in tasks}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stamp = _free_stamp(folder)
        logs = {name: folder / f"samples_{safe_name(name)}_{stamp}.jsonl" for name in lines}
        for name, path in logs.items():
            with replacing(path) as file:
                file.writelines(map(json_line, lines[name]))
        results_file = folder / f"results_{stamp}.json"
        content = json.dumps(_results(tasks, lines, model, seconds), indent=2, default=str)
        write_text(results_file, content)
    except OSError as error:
        raise DiversityEvalError(
            f"{folder}: the results cannot be written ({error.strerror or error})"
        ) from None
    return Written(results_file, logs)


def _free_stamp(folder: Path) -> str:
    """lm-eval's time stamp; later by a little if a file has it already."""
    while True:
        stamp = datetime.now().isoformat(timespec="microseconds").replace(":", "-")
        if not any(path.stem.endswith(stamp) for path in folder.iterdir()):
            return stamp
        time.sleep(1e-5)


def _lines(task: TaskResults) -> list[dict[str, Any]]:
    return [
        {**prompt.row, "metrics": list(metrics), **row}
        for prompt, row, metrics in zip(task.run.prompts, task.rows, task.metrics, strict=True)
    ]


def _results(
    tasks: Sequence[TaskResults], lines: Mapping[str, list[dict[str, Any]]], model: str, seconds: float
) -> dict[str, Any]:
    run = tasks[0].run
    kept = without_secrets({key: value for key, value in run.results.items() if key not in _REPLACED})
    names = [task.run.task for task in tasks]
    return {
        "results": {task.run.task: _named(task) for task in tasks},
        "group_subtasks": {},
        "configs": {task.run.task: _config(task) for task in tasks},
        **{
            key: {name: run.results[key][name] for name in names if name in (run.results.get(key) or {})}
            for key in ("versions", "n-shot")
        },
        "higher_is_better": {task.run.task: dict(task.higher_is_better) for task in tasks},
        "n-samples": {task.run.task: _counts(task.run) for task in tasks},
        "config": {"model": None, "model_args": None},
        **kept,
        "date": time.time(),
        "task_hashes": {name: digest for name in names if (digest := _task_hash(lines[name]))},
        "model_name": model,
        "model_name_sanitized": safe_name(model),
        "total_evaluation_time_seconds": str(seconds),
    }


def _named(task: TaskResults) -> dict[str, Any]:
    name = task.run.task
    before = (task.run.results.get("results") or {}).get(name) or {}
    return {
        "name": name,
        "alias": before.get("alias", name),
        "sample_len": len(task.run.prompts),
        **task.results,
    }


def _config(task: TaskResults) -> dict[str, Any]:
    config = dict(task.run.config) or {"task": task.run.task, "output_type": "generate_until"}
    config["metadata"] = {**(config.get("metadata") or {}), "diversity_eval": dict(task.record)}
    return without_secrets(config)


def _counts(run: LoggedRun) -> dict[str, int]:
    return {"original": run.available or len(run.prompts), "effective": len(run.prompts)}


def _task_hash(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """lm-eval's digest over the rows' hashes, where the log has them."""
    parts = [[row.get(name) for name in ("doc_hash", "prompt_hash", "target_hash")] for row in rows]
    if not all(isinstance(part, str) for hashes in parts for part in hashes):
        return None
    return hashlib.sha256("".join(str(part) for hashes in parts for part in hashes).encode()).hexdigest()

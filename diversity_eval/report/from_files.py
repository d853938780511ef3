"""From NoveltyBench's leaderboard files and from runs kept without texts to evaluations."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs.novelty_subsets import TASKS, prompts_of, subset_of_ids, subset_of_path
from diversity_eval.logs.rows import Row, read_jsonl
from diversity_eval.logs.run_fields import UNKNOWN
from diversity_eval.logs.sample_logs import read_results
from diversity_eval.metrics.statistics import mean, standard_deviation
from diversity_eval.report.checkpoints import training_of
from diversity_eval.report.evaluation import EvaluatedPrompt, Evaluation, MetricValues
from diversity_eval.report.from_logs import evaluation_of_rows, finite

__all__ = ["KEPT_FILE", "evaluations_of_kept", "evaluations_of_scores"]

KEPT_FILE = "per_prompt.jsonl"
"""The file by which a folder is known as a run kept without texts."""

_RECORD_FILE = "record.json"
_VERSION = "v"


def evaluations_of_scores(path: Path) -> list[Evaluation]:
    """A leaderboard's `scores.jsonl`, or `partitions.jsonl`; one evaluation for each model that it names.

    Raises DiversityEvalError that names file, line and what is wrong with the first broken row.
    """
    by_model: dict[str, list[Row]] = {}
    for where, row in read_jsonl(path):
        by_model.setdefault(str(row.get("model") or ""), []).append((where, row))
    if not by_model:
        raise DiversityEvalError(f"{path}: holds no rows; expected NoveltyBench's scores")
    return [_of_model(path, model, rows) for model, rows in by_model.items()]


def _of_model(path: Path, model: str, rows: Sequence[Row]) -> Evaluation:
    import numpy as np

    prompts: list[EvaluatedPrompt] = []
    columns: dict[str, list[float]] = {"distinct": [], "utility": []}
    for where, row in rows:
        place = f"{path}, {where}"
        generations = row.get("generations")
        partition = row.get("partition")
        if row.get("id") is None or not isinstance(generations, list):
            raise DiversityEvalError(
                f"{place}: expected NoveltyBench's fields id, prompt, generations, partition and distinct"
            )
        texts = tuple(text if isinstance(text, str) else "" for text in generations)
        classes = partition if isinstance(partition, list) and len(partition) == len(texts) else []
        if not all(type(entry) is int for entry in classes):
            raise DiversityEvalError(f"{place}: `partition` is not a list of class numbers")
        prompts.append(
            EvaluatedPrompt(str(row["id"]), str(row.get("prompt") or ""), texts, partition=tuple(classes))
        )
        # The benchmark's own scripts store the highest class index as `distinct`, one too low.
        known = classes and all(entry >= 0 for entry in classes)
        columns["distinct"].append(float(len(set(classes))) if known else math.nan)
        columns["utility"].append(math.nan if (utility := finite(row.get("utility"))) is None else utility)
    keys = [prompt.key for prompt in prompts]
    if len(set(keys)) != len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise DiversityEvalError(f"{path}: the id {twice!r} is there twice")
    subset = subset_of_ids(keys) or subset_of_path(path) or "curated"
    task = TASKS[subset]
    ks = sorted({len(prompt.responses) for prompt in prompts})
    version = path.parent.name
    # Which prompts they are, the texts themselves say where another run has them too.
    fields = {
        "k": str(ks[0]) if len(ks) == 1 else f"{ks[0]}-{ks[-1]}",
        "docs": f"{len(prompts)} of {prompts_of(task) or UNKNOWN}",
        **dict.fromkeys(
            ("task", "data", "temperature", "top_p", "top_k", "max_new_tokens", "prompt"), UNKNOWN
        ),
        "metric_version": version.removeprefix(_VERSION) if version.startswith(_VERSION) else UNKNOWN,
        "test": UNKNOWN,
    }
    metrics = {
        name: MetricValues(
            name, np.array(values, dtype=np.float64), mean(values), standard_deviation(values),
            sum(not math.isnan(value) for value in values), True, dict(fields),
            counts_missing=sum(map(math.isnan, values)),
        )
        for name, values in columns.items()
        if not all(map(math.isnan, values))
    }  # fmt: skip
    training = training_of(model)
    return Evaluation(
        checkpoint=model, task=task, path=path, prompts=tuple(prompts), metrics=metrics,
        available=prompts_of(task), provenance={"task": task, "file": path.name, "model": model,
        "format": "NoveltyBench leaderboard", "folder": path.parent.name},
        loss=training.loss, parameters=training.parameters, base_model=training.base_model,
    )  # fmt: skip


def evaluations_of_kept(folder: Path, warn: Callable[[str], None] = lambda message: None) -> list[Evaluation]:
    """A run of which results, values by prompt and a few responses were kept: `results.json`,
    `per_prompt.jsonl`, and, if they are there, `responses.jsonl` and the trainer's `record.json`.

    Its name is the folder's. Raises DiversityEvalError for a damaged file.
    """
    results = read_results(folder / "results.json")
    by_task: dict[str, list[Row]] = {}
    for where, row in read_jsonl(folder / KEPT_FILE):
        by_task.setdefault(str(row.get("task")), []).append((where, row))
    texts = _responses(folder / "responses.jsonl")
    training = training_of(folder.name, _settings(folder / _RECORD_FILE))
    found = []
    for task, rows in by_task.items():
        lines = [(where, {**row, "metrics": _names(row)}) for where, row in rows]
        evaluation = evaluation_of_rows(task, folder / KEPT_FILE, lines, results, warn)
        places = [row.get("doc_id") for _, row in rows]
        prompts = tuple(
            EvaluatedPrompt(
                prompt.key, "", texts.get((task, place), ()), distribution=prompt.distribution,
                partition=_fitting(row.get("partition"), texts.get((task, place), ())),
            )
            for prompt, place, (_, row) in zip(evaluation.prompts, places, rows, strict=True)
        )  # fmt: skip
        found.append(
            Evaluation(
                checkpoint=folder.name, task=task, path=folder / KEPT_FILE, prompts=prompts,
                metrics=evaluation.metrics, available=evaluation.available,
                provenance={**evaluation.provenance, "kept": "results and values only, without the texts"},
                loss=training.loss, parameters=training.parameters, base_model=training.base_model,
            )
        )  # fmt: skip
    return found


def _names(row: Mapping[str, Any]) -> list[str]:
    return [
        name
        for name, value in row.items()
        if name not in ("task", "doc_id") and isinstance(value, int | float) and not isinstance(value, bool)
    ]


def _responses(path: Path) -> dict[tuple[str, Any], tuple[str, ...]]:
    if not path.is_file():
        return {}
    found = {}
    for _, row in read_jsonl(path):
        texts = row.get("responses")
        if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
            found[str(row.get("task")), row.get("doc_id")] = tuple(texts)
    return found


def _fitting(partition: object, responses: Sequence[str]) -> tuple[int, ...]:
    if not isinstance(partition, list) or len(partition) != len(responses):
        return ()
    return tuple(partition) if all(type(entry) is int for entry in partition) else ()


def _settings(path: Path) -> Mapping[str, Any] | None:
    """The trainer's settings in a kept record; None without one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError, RecursionError) as error:
        raise DiversityEvalError(f"{path}: cannot be read ({error})") from None
    settings = found.get("settings") if isinstance(found, Mapping) else None
    return settings if isinstance(settings, Mapping) else None

"""MMLU's subjects, which are tasks of their own, as the one benchmark that they make."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from diversity_eval.metrics.statistics import mean, standard_deviation
from diversity_eval.report.evaluation import EvaluatedPrompt, Evaluation, MetricValues

__all__ = ["join_subjects"]

_QUESTIONS = 14_042  # of all 57 subjects
_SUBJECT = re.compile(r"(?P<task>mmlu_label(?:_base)?)_(?P<subject>(?!base$)[a-z_]+)")


def join_subjects(found: Sequence[tuple[Path, Evaluation]]) -> list[tuple[Path, Evaluation]]:
    """Evaluations with the subjects of each run put together under the group's name, if it has several.

    Every question counts once (the micro average). Prompts are called SUBJECT/KEY. What only a group has, its
    macro average, is not there: it is no mean over prompts.
    """
    joined: list[tuple[Path, Evaluation]] = []
    runs: dict[tuple[Path, str, str, Path], list[tuple[str, Evaluation]]] = {}
    for named, evaluation in found:
        match = _SUBJECT.fullmatch(evaluation.task)
        if match is None or not evaluation.prompts:
            joined.append((named, evaluation))
            continue
        key = named, evaluation.checkpoint, match["task"], evaluation.path.parent
        stamp = evaluation.path.name.rpartition("_")[2]
        of_run = runs.setdefault((*key[:2], f"{key[2]}#{stamp}", key[3]), [])
        if not of_run:
            joined.append((named, evaluation))  # its place; replaced below
        of_run.append((match["subject"], evaluation))
    for parts in runs.values():
        first = parts[0][1]
        if len(parts) == 1:
            continue  # somebody's one subject is not MMLU
        place = next(i for i, (_, evaluation) in enumerate(joined) if evaluation is first)
        joined[place] = joined[place][0], _joined(parts)
    return joined


def _joined(parts: Sequence[tuple[str, Evaluation]]) -> Evaluation:
    first = parts[0][1]
    match = _SUBJECT.fullmatch(first.task)
    assert match is not None
    prompts = tuple(
        EvaluatedPrompt(
            f"{subject}/{prompt.key}", prompt.prompt, prompt.responses, prompt.ratings, prompt.partition,
            prompt.distribution,
        )
        for subject, evaluation in parts
        for prompt in evaluation.prompts
    )  # fmt: skip
    names = [name for name in first.metrics if all(name in each.metrics for _, each in parts)]
    return Evaluation(
        checkpoint=first.checkpoint, task=match["task"], path=first.path, prompts=prompts,
        metrics={name: _metric(name, [each for _, each in parts]) for name in names},
        available=_QUESTIONS,
        provenance={**first.provenance, "task": match["task"], "subjects": len(parts)},
        loss=first.loss, parameters=first.parameters, base_model=first.base_model,
    )  # fmt: skip


def _metric(name: str, parts: Sequence[Evaluation]) -> MetricValues:
    import hashlib

    import numpy as np

    metrics = [part.metrics[name] for part in parts]
    values = np.concatenate(
        [metric.values for metric in metrics if metric.values is not None] or [np.empty(0)]
    )
    signature: dict[str, str] = {}
    for key in dict.fromkeys(key for metric in metrics for key in metric.signature):
        found = sorted({metric.signature.get(key, "") for metric in metrics})
        if key == "task":
            signature[key] = re.sub(r"_label(_base)?_[a-z_]+", r"_label\1", found[0])
        elif key == "docs":
            signature[key] = f"{values.size} of {len(parts)} subjects"
        elif key == "data":
            signature[key] = hashlib.sha256("".join(found).encode()).hexdigest()[:12]
        else:
            signature[key] = found[0] if len(found) == 1 else "varies"
    return MetricValues(
        name, values, mean(list(values)), standard_deviation(list(values)),
        int(sum(not math.isnan(value) for value in values)), metrics[0].higher_is_better, signature,
        counts_missing=sum(metric.counts_missing for metric in metrics),
    )  # fmt: skip

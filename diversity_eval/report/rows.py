"""From evaluations to rows: what a checkpoint is called, and which runs are of the same one."""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from diversity_eval.errors import DiversityEvalError
from diversity_eval.report.checkpoints import loss_of_name, model_of_name
from diversity_eval.report.comparison import Row
from diversity_eval.report.joining import comparable_fields

if TYPE_CHECKING:
    from diversity_eval.report.collect import Collected
    from diversity_eval.report.evaluation import Evaluation, MetricValues

__all__ = ["group_rows", "rows_of"]

# Folder names that say nothing without the folder above.
_SAYS_NOTHING = re.compile(
    r"(merged|model|final|best|last|adapter|output|results|checkpoints?(-[0-9]+)?|step-?[0-9]+)"
)
_STAMP = re.compile(r"_([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9-]+(\.[0-9]+)?)\.jsonl?$")


@dataclass
class _Gathering:
    """A row as its evaluations come together: their places, and what it has of each task already."""

    label: str
    places: list[int] = field(default_factory=list)


def rows_of(
    collected: Collected, names: Mapping[str, str], warn: Callable[[str], None]
) -> tuple[list[Row], list[Evaluation]]:
    """The rows in the order in which their runs were named, and the evaluations that they point to.

    Runs of one checkpoint make one row, as long as they do not contradict each other: where two have measured
    the same thing with other values, the second gets a row of its own, `NAME (2)`. The same values twice (a
    run, and `score`'s output on its log) are taken once.

    Args:
        collected: with the paths that the user named.
        names: labels by path, instead of the checkpoints' own names.
        warn: told of runs that have one name and differ.

    Raises:
        DiversityEvalError: a name for a path of which there is no run.
    """
    labels = _labels(collected, names)
    evaluations: list[Evaluation] = []
    rows: dict[str, _Gathering] = {}
    for label, unit in _units(collected, labels).items():
        for part in unit:
            target = _row_for(label, part, rows, evaluations)
            if target != label and target not in rows:
                first = evaluations[rows[label].places[0]].path
                warn(
                    f"two runs are called {label} and have other values: {first} and {part[0].path}; the "
                    f"second is {target} here (--name PATH=LABEL names them)"
                )
            gathering = rows.setdefault(target, _Gathering(target))
            for evaluation in part:
                _add(gathering, evaluation, evaluations)
    return [_row(each, evaluations) for each in rows.values()], evaluations


def group_rows(rows: Sequence[Row], groups: Mapping[str, Sequence[str]]) -> list[Row]:
    """Rows for groups of models: for each group and loss, the mean of its models' rows.

    Args:
        rows: of single checkpoints.
        groups: glob patterns of models by the group's name.

    Raises:
        DiversityEvalError: a pattern that no model matches.
    """
    models = {row.model for row in rows}
    found: list[Row] = []
    for name, patterns in groups.items():
        for pattern in patterns:
            if not any(fnmatch.fnmatchcase(model.lower(), pattern.lower()) for model in models):
                raise DiversityEvalError(
                    f"--group {name}: no model matches {pattern!r}; the models are "
                    f"{', '.join(sorted(models))}"
                )
        members = [
            row
            for row in rows
            if any(fnmatch.fnmatchcase(row.model.lower(), pattern.lower()) for pattern in patterns)
        ]
        for loss in dict.fromkeys(row.loss for row in members):
            of_loss = [row for row in members if row.loss == loss]
            title = f"{name}, {loss}" if loss else name
            taken = {row.label for row in [*rows, *found]}
            found.append(
                Row(
                    label=_free(f"{title} (mean of {len(of_loss)})", taken), model=name, loss=loss,
                    members=tuple(row.label for row in of_loss),
                    evaluations=tuple(place for row in of_loss for place in row.evaluations),
                )
            )  # fmt: skip
    return found


def _labels(collected: Collected, names: Mapping[str, str]) -> list[str]:
    """A label for each evaluation."""
    own = _short_names([evaluation.checkpoint or path.stem for path, evaluation in collected])
    resolved = {Path(path).resolve(): label for path, label in names.items()}
    used = set()
    labels = []
    for (named, evaluation), short in zip(collected, own, strict=True):
        above = [named.resolve(), evaluation.path.resolve(), *evaluation.path.resolve().parents]
        given = sorted((path for path in above if path in resolved), key=lambda path: -len(path.parts))
        used |= set(given[:1])
        labels.append(resolved[given[0]] if given else short)
    if unused := [path for path in names if Path(path).resolve() not in used]:
        raise DiversityEvalError(
            f"--name {unused[0]}={names[unused[0]]}: no run was read from {unused[0]}; expected one of the "
            "paths that are compared, or one below them"
        )
    return labels


def _short_names(checkpoints: Sequence[str]) -> list[str]:
    """The last parts of paths and Hub ids, as many as tell different checkpoints apart."""
    parts = {name: PurePosixPath(name).parts or (name,) for name in dict.fromkeys(checkpoints)}
    depth = {
        name: next(
            (n for n, part in enumerate(reversed(of), 1) if not _SAYS_NOTHING.fullmatch(part)), len(of)
        )
        for name, of in parts.items()
    }
    while True:
        short = {name: "/".join(parts[name][-depth[name] :]).replace("//", "/") for name in parts}
        many = Counter(short.values())
        longer = [name for name in parts if many[short[name]] > 1 and depth[name] < len(parts[name])]
        if not longer:
            return [short[name] for name in checkpoints]
        for name in longer:
            depth[name] += 1


def _units(collected: Collected, labels: Sequence[str]) -> dict[str, list[list[Evaluation]]]:
    """By label, the evaluations of each run of lm-eval (or file) together."""
    units: dict[str, dict[tuple[str, ...], list[Evaluation]]] = {}
    for (named, evaluation), label in zip(collected, labels, strict=True):
        stamp = _STAMP.search(evaluation.path.name)
        run = (str(named), str(evaluation.path.parent), stamp[1] if stamp else "", evaluation.checkpoint)
        units.setdefault(label, {}).setdefault(run, []).append(evaluation)
    return {label: list(of_label.values()) for label, of_label in units.items()}


def _row_for(
    label: str,
    unit: Sequence[Evaluation],
    rows: Mapping[str, _Gathering],
    evaluations: Sequence[Evaluation],
) -> str:
    """The first of LABEL, LABEL (2), ... that nothing in the unit contradicts."""
    number = 1
    while True:
        name = label if number == 1 else f"{label} ({number})"
        there = [evaluations[place] for place in rows[name].places] if name in rows else []
        if not any(_contradict(old, new) for old in there for new in unit):
            return name
        number += 1


def _contradict(a: Evaluation, b: Evaluation) -> bool:
    return a.task == b.task and any(
        comparable_fields(a.metrics[name].signature) == comparable_fields(b.metrics[name].signature)
        and not _same_values(a, b, name)
        for name in a.metrics.keys() & b.metrics.keys()
    )


def _same_values(a: Evaluation, b: Evaluation, name: str) -> bool:
    import numpy as np

    first, second = a.metrics[name].values, b.metrics[name].values
    if first is None or second is None:
        return bool(np.isclose(a.metrics[name].mean, b.metrics[name].mean, rtol=1e-6, equal_nan=True))
    one = dict(zip((prompt.key for prompt in a.prompts), first, strict=True))
    two = dict(zip((prompt.key for prompt in b.prompts), second, strict=True))
    return one.keys() == two.keys() and all(
        np.isclose(one[key], two[key], rtol=1e-5, atol=1e-6, equal_nan=True) for key in one
    )


def _add(gathering: _Gathering, new: Evaluation, evaluations: list[Evaluation]) -> None:
    """Add an evaluation, without the metrics that the row has already from another one."""
    known: set[tuple[str, frozenset[tuple[str, str]]]] = {
        (metric.name, frozenset(comparable_fields(metric.signature).items()))
        for place in gathering.places
        if evaluations[place].task == new.task
        for metric in evaluations[place].metrics.values()
    }

    def is_new(metric: MetricValues) -> bool:
        return (metric.name, frozenset(comparable_fields(metric.signature).items())) not in known

    metrics = {name: metric for name, metric in new.metrics.items() if is_new(metric)}
    if metrics:
        gathering.places.append(len(evaluations))
        evaluations.append(replace(new, metrics=metrics) if len(metrics) < len(new.metrics) else new)


def _row(gathering: _Gathering, evaluations: Sequence[Evaluation]) -> Row:
    own = [evaluations[place] for place in gathering.places]
    told = next((each for each in own if each.base_model or each.parameters), own[0])
    # Only the trainer's own account knows the base model; without it a loss is what a name sounds like.
    loss = told.loss if told.base_model else None
    loss = loss or loss_of_name(gathering.label) or next((each.loss for each in own if each.loss), None)
    model = _short_names([told.base_model])[0] if told.base_model else gathering.label
    return Row(
        label=gathering.label, model=model_of_name(model), loss=loss, parameters=dict(told.parameters),
        evaluations=tuple(gathering.places),
    )  # fmt: skip


def _free(label: str, taken: set[str]) -> str:
    number = 2
    free = label
    while free in taken:
        free = f"{label} ({number})"
        number += 1
    return free

"""From rows and evaluations to a comparison: means, intervals, tests, and what is best."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.metrics.statistics import bootstrap_cis, holm, mean, paired_tests, standard_deviation
from diversity_eval.report.comparison import Cell, Column, Comparison, Difference, Row, Settings
from diversity_eval.report.joining import Joined, Result, join
from diversity_eval.report.protocols import PROTOCOLS, Protocol
from diversity_eval.report.rows import group_rows
from diversity_eval.report.summary import summarise
from diversity_eval.report.titles import LOSS_ORDER

if TYPE_CHECKING:
    import numpy as np

    from diversity_eval.report.evaluation import Evaluation

    Floats = np.ndarray[Any, np.dtype[np.float64]]
    Booleans = np.ndarray[Any, np.dtype[np.bool_]]

__all__ = ["compare_rows", "default_baseline"]


@dataclass
class _Values:
    """One column's values: a matrix (prompts, rows), nan where a row has none."""

    column: Column
    keys: tuple[str, ...]
    labels: tuple[str, ...]
    matrix: Floats

    def of(self, label: str) -> Floats:
        return self.matrix[:, self.labels.index(label)]


@dataclass(frozen=True)
class _Pair:
    """Two rows of a column that are tested against each other."""

    values: _Values
    row: str
    other: str


def compare_rows(
    rows: Sequence[Row],
    evaluations: Sequence[Evaluation],
    *,
    baseline: str | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    protocol: str | None = None,
    allowed: Iterable[str] = (),
    strict: bool = False,
    confidence: float = 0.95,
    alpha: float = 0.05,
    seed: int = 0,
    resamples: int = 10_000,
    warnings: Iterable[str] = (),
    progress: Callable[[str], None] = lambda stage: None,
) -> Comparison:
    """Compare checkpoints.

    Intervals are of the mean over prompts; each row is tested against its baseline on the prompts that both
    have, and against the best of the column; p-values are corrected (Holm 1979) over all such tests of the
    leaderboard, and over those of the other metrics by themselves.

    Args:
        rows: of single checkpoints, as `rows_of` gives them.
        evaluations: to which they point.
        baseline: a row's label, or a loss: then each row is compared with that loss's row of the same model.
        groups: model patterns by group name; their mean rows come behind.
        protocol: a name in `PROTOCOLS`.
        allowed: signature keys that may differ within a column.
        strict: every difference between the runs is an error.
        confidence: of intervals.
        alpha: the level of the tests.
        seed: of the resampling.
        resamples: of the bootstrap.
        warnings: that the comparison is to carry.
        progress: told of each stage.

    Raises:
        DiversityEvalError: an unknown baseline, protocol or group; with `strict` runs that differ.
    """
    followed = _protocol(protocol)
    said = list(warnings)
    allowed = tuple(allowed)
    progress("joining")
    joined, differences = join(rows, evaluations, protocol=followed, allowed=allowed, strict=strict)
    _check_keys(allowed, joined)
    said += differences
    chosen = baseline if baseline is not None else default_baseline(rows)
    everyone = [*_by_model(rows), *group_rows(rows, groups or {})]
    reference = _baselines(everyone, chosen)
    settings = Settings(
        baseline=chosen, confidence=confidence, alpha=alpha, seed=seed, resamples=resamples,
        protocol=protocol, allowed=allowed,
    )  # fmt: skip
    progress("intervals")
    values = [_values(each, everyone) for each in joined]
    cells = _cells(joined, values, everyone, settings)
    progress("tests")
    _against_baseline(cells, values, reference, settings)
    _mark_best(cells, values, {row.label for row in everyone if row.members}, settings)
    said += _baseline_warnings(everyone, reference, cells, settings)
    comparison = Comparison(
        settings=settings, rows=tuple(everyone), columns=tuple(each.column for each in joined),
        cells=cells, evaluations=tuple(evaluations), warnings=tuple(dict.fromkeys(said)),
    )  # fmt: skip
    return replace(comparison, summary=tuple(summarise(comparison)))


def default_baseline(rows: Sequence[Row]) -> str:
    """What rows are compared with unasked: cross-entropy's if there is one, else the base's, else the
    first.
    """
    for loss in ("ce", "base"):
        of_loss = [row for row in rows if row.loss == loss]
        if len(of_loss) == 1:
            return of_loss[0].label
        if of_loss:
            return loss
    return rows[0].label


def _by_model(rows: Sequence[Row]) -> list[Row]:
    """Rows of one model together, in the order in which the models were named,
    and in the paper's order of the
    losses; what has no loss comes behind."""
    models = list(dict.fromkeys(row.model for row in rows))
    losses = [
        *LOSS_ORDER,
        *dict.fromkeys(row.loss for row in rows if row.loss not in LOSS_ORDER and row.loss),
    ]
    return sorted(
        rows,
        key=lambda row: (
            models.index(row.model), losses.index(row.loss) if row.loss is not None else len(losses)
        ),
    )  # fmt: skip


def _protocol(name: str | None) -> Protocol | None:
    if name is None:
        return None
    if name not in PROTOCOLS:
        raise DiversityEvalError(f"unknown protocol {name!r}; there is {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def _check_keys(allowed: Iterable[str], joined: Sequence[Joined]) -> None:
    known = {key for each in joined for result in each.results for key in result.metric.signature}
    if unknown := [key for key in allowed if key not in known]:
        raise DiversityEvalError(
            f"--allow {unknown[0]}: no run has that in its signature; there is {', '.join(sorted(known))}"
        )


def _baselines(rows: Sequence[Row], baseline: str) -> dict[str, str]:
    """For each row the label of the one that it is compared with; none for baselines themselves."""
    labels = [row.label for row in rows]
    if baseline in labels:
        chosen = rows[labels.index(baseline)]
        # Means of several models have a baseline of their own kind, if there is one.
        of_groups = {row.model: row.label for row in rows if row.members and row.loss == chosen.loss}
        return {
            row.label: of_groups[row.model] if row.members and row.model in of_groups else baseline
            for row in rows
            if row.label != baseline and not (row.members and of_groups.get(row.model) == row.label)
        }
    by_model: dict[str, str] = {}
    for row in rows:
        if row.loss == baseline:
            by_model.setdefault(row.model, row.label)
    if not by_model:
        raise DiversityEvalError(
            f"--baseline {baseline}: no run is called so, and none is trained with that loss; the runs are "
            f"{', '.join(labels)}"
        )
    only = next(iter(by_model.values())) if len(by_model) == 1 else None
    found = {row.label: by_model.get(row.model, only) for row in rows}
    return {row: other for row, other in found.items() if other is not None and other != row}


def _values(joined: Joined, rows: Sequence[Row]) -> _Values:
    import numpy as np

    tested = [result for result in joined.results if result.metric.values is not None]
    keys = tuple(dict.fromkeys(prompt.key for result in tested for prompt in result.evaluation.prompts))
    place = {key: number for number, key in enumerate(keys)}
    columns: dict[str, Floats] = {}
    for result in tested:
        column = np.full(len(keys), np.nan)
        column[[place[prompt.key] for prompt in result.evaluation.prompts]] = result.metric.values
        columns[result.row] = column
    for row in rows:
        # A mean over models is one over all of them, prompt by prompt.
        if row.members and all(member in columns for member in row.members):
            columns[row.label] = np.mean([columns[member] for member in row.members], axis=0)
    matrix = np.stack(list(columns.values()), axis=1) if columns else np.empty((0, 0))
    return _Values(joined.column, keys, tuple(columns), matrix)


def _cells(
    joined: Sequence[Joined], values: Sequence[_Values], rows: Sequence[Row], settings: Settings
) -> dict[tuple[str, str], Cell]:
    lower_upper = _intervals(values, settings)
    cells = {}
    for each, of_column in zip(joined, values, strict=True):
        results = {result.row: result for result in each.results}
        for row in rows:
            if row.label in results:
                cell = _own_cell(results[row.label], each.column)
            elif row.label in of_column.labels:
                cell = _group_cell(row, of_column, [results[member] for member in row.members])
            else:
                continue
            lower, upper = lower_upper.get((row.label, each.column.key), (math.nan, math.nan))
            cells[row.label, each.column.key] = replace(cell, lower=lower, upper=upper)
    return cells


def _intervals(values: Sequence[_Values], settings: Settings) -> dict[tuple[str, str], tuple[float, float]]:
    import numpy as np

    found = {}
    for batch in _same_prompts(values):
        whole = np.concatenate([each.matrix for each in batch], axis=1)
        lower, upper = bootstrap_cis(
            whole, seed=settings.seed, confidence=settings.confidence, resamples=settings.resamples
        )
        places = [(label, each.column.key) for each in batch for label in each.labels]
        for place, low, high in zip(places, lower, upper, strict=True):
            found[place] = float(low), float(high)
    return found


def _same_prompts(values: Iterable[_Values]) -> list[list[_Values]]:
    """Columns over the same prompts, which are resampled together."""
    batches: dict[tuple[str, ...], list[_Values]] = {}
    for each in values:
        if each.keys:
            batches.setdefault(each.keys, []).append(each)
    return list(batches.values())


def _own_cell(result: Result, column: Column) -> Cell:
    metric, evaluation = result.metric, result.evaluation
    prompts = len(evaluation.prompts)
    marks = []
    if evaluation.available is not None and 0 < prompts < evaluation.available:
        marks.append(f"{prompts} of {evaluation.available} prompts")
    if metric.values is None:
        marks.append("no values by prompt")
        if evaluation.available is not None and metric.n < evaluation.available:
            marks.append(f"{metric.n} of {evaluation.available} prompts")
    elif metric.n < prompts and "." not in metric.name:
        marks.append(f"{prompts - metric.n} without a value")
    if metric.counts_missing:
        marks.append(f"{metric.counts_missing} unscored")
    return Cell(
        row=result.row, column=column.key, mean=metric.mean, std=metric.std, lower=math.nan, upper=math.nan,
        n=metric.n, available=evaluation.available, marks=tuple(marks), tested=metric.values is not None,
        evaluation=result.place,
    )  # fmt: skip


def _group_cell(row: Row, values: _Values, members: Sequence[Result]) -> Cell:
    column = [float(value) for value in values.of(row.label)]
    n = sum(not math.isnan(value) for value in column)
    available = members[0].evaluation.available
    partial = available is not None and n < available
    return Cell(
        row=row.label, column=values.column.key, mean=mean(column), std=standard_deviation(column),
        lower=math.nan, upper=math.nan, n=n, available=available,
        marks=(f"{n} of {available} prompts",) if partial else (),
    )  # fmt: skip


def _against_baseline(
    cells: dict[tuple[str, str], Cell],
    values: Sequence[_Values],
    reference: Mapping[str, str],
    settings: Settings,
) -> None:
    pairs = [
        _Pair(each, label, reference[label])
        for each in values
        for label in each.labels
        if label in reference and reference[label] in each.labels
    ]
    for pair, difference in _tested(pairs, settings):
        key = pair.row, pair.values.column.key
        cells[key] = replace(cells[key], difference=difference)


def _mark_best(
    cells: dict[tuple[str, str], Cell], values: Sequence[_Values], groups: set[str], settings: Settings
) -> None:
    """Mark what is best of each column, and whatever cannot be told from it.

    Rows compete on the largest set of prompts that two or more of them have, so one run over more prompts
    than all others does not end the competition, and one over a few is not in it.
    """
    import numpy as np

    pairs = []
    for each in values:
        single = [label for label in each.labels if label not in groups]
        field, prompts = _competitors({label: ~np.isnan(each.of(label)) for label in single})
        if each.column.higher_is_better is None or len(field) < 2:
            continue
        sign, key = 1 if each.column.higher_is_better else -1, each.column.key
        means = {label: sign * float(each.of(label)[prompts].mean()) for label in field}
        first = max(means, key=means.__getitem__)
        cells[first, key] = replace(cells[first, key], best=True)
        pairs += [_Pair(each, label, first) for label in field if label != first]
    for pair, difference in _tested(pairs, settings):
        place = pair.row, pair.values.column.key
        cells[place] = replace(cells[place], best=not difference.p_adjusted < settings.alpha)


def _competitors(defined: Mapping[str, Booleans]) -> tuple[list[str], Booleans | None]:
    """The rows that have all of the largest set of prompts that any two of them have, and that set."""
    for prompts in sorted(defined.values(), key=lambda mask: -int(mask.sum())):
        field = [label for label, mask in defined.items() if prompts.any() and mask[prompts].all()]
        if len(field) > 1:
            return field, prompts
    return [], None


def _tested(pairs: Sequence[_Pair], settings: Settings) -> list[tuple[_Pair, Difference]]:
    """The pairs with their tests, corrected over those of the leaderboard and over the rest."""
    found = []
    for headline in (True, False):
        family = [pair for pair in pairs if pair.values.column.headline == headline]
        found += _corrected(family, settings)
    return found


def _corrected(family: Sequence[_Pair], settings: Settings) -> list[tuple[_Pair, Difference]]:
    import numpy as np

    by_keys: dict[tuple[str, ...], list[_Pair]] = {}
    for pair in family:
        by_keys.setdefault(pair.values.keys, []).append(pair)
    tested: list[tuple[_Pair, Difference]] = []
    for pairs in by_keys.values():
        tests = paired_tests(
            np.stack([pair.values.of(pair.row) for pair in pairs], axis=1),
            np.stack([pair.values.of(pair.other) for pair in pairs], axis=1),
            seed=settings.seed, confidence=settings.confidence, family=len(family),
        )  # fmt: skip
        for place, pair in enumerate(pairs):
            if tests.n[place]:
                tested.append(
                    (
                        pair,
                        Difference(
                            other=pair.other, difference=float(tests.difference[place]),
                            lower=float(tests.lower[place]), upper=float(tests.upper[place]),
                            effect_size=float(tests.effect_size[place]), p_value=float(tests.p_value[place]),
                            p_adjusted=math.nan, n=int(tests.n[place]),
                        ),
                    )
                )  # fmt: skip
    adjusted = holm([difference.p_value for _, difference in tested])
    return [
        (pair, replace(difference, p_adjusted=float(p)))
        for (pair, difference), p in zip(tested, adjusted, strict=True)
    ]


def _baseline_warnings(
    rows: Sequence[Row],
    reference: Mapping[str, str],
    cells: Mapping[tuple[str, str], Cell],
    settings: Settings,
) -> list[str]:
    if len(rows) == 1:
        return [f"there is one run only ({rows[0].label}); nothing is compared"]
    found = []
    baselines = set(reference.values())
    alone = [row.label for row in rows if row.label not in reference and row.label not in baselines]
    if alone:
        found.append(f"not compared, for want of a baseline ({settings.baseline}): {', '.join(alone)}")
    without = [
        label
        for label in reference
        if not any(cell.difference for (row, _), cell in cells.items() if row == label)
    ]
    if without:
        found.append(
            f"no prompt is shared with the baseline ({settings.baseline}), so nothing is tested: "
            f"{', '.join(without)}"
        )
    return found

"""The outcome in words: who is most diverse at no significant cost in quality, and what else changed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from diversity_eval.report.comparison import Cell, Column, Comparison, Row
from diversity_eval.report.planes import Plane, planes, sole_diversity
from diversity_eval.report.titles import metric_title, task_title

__all__ = ["better_worse", "shown_p", "summarise"]

_MOST_NAMED = 3


def summarise(comparison: Comparison) -> list[str]:
    """The result, a sentence each: first diversity at no cost, then what changed elsewhere.

    Only what the tests tell apart is called a difference; a cost that they do not find may be there all the
    same, so its interval is given.
    """
    if len(comparison.rows) < 2:
        return []
    place = {column.key: number for number, column in enumerate(comparison.columns)}
    of_columns = [
        *((place[plane.diversity.key], _of_plane(comparison, plane)) for plane in planes(comparison)),
        *((place[column.key], _alone(comparison, column)) for column in sole_diversity(comparison)),
    ]
    found = [sentence for _, sentence in sorted(of_columns, key=lambda pair: pair[0]) if sentence]
    found += _elsewhere(comparison)
    return found or ["No two runs have a result in common, so nothing can be said about their differences."]


def better_worse(column: Column, cell: Cell, alpha: float) -> str | None:
    """`better` or `worse` than the baseline where the test tells them apart; `different` for a metric without
    a direction; None otherwise."""
    difference = cell.difference
    if difference is None or not difference.p_adjusted < alpha:
        return None
    if column.higher_is_better is None:
        return "different"
    return "better" if (difference.difference > 0) == column.higher_is_better else "worse"


def shown_p(p_value: float) -> str:
    """`p = 0.012`, `p < 0.001`."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"


def _of_plane(comparison: Comparison, plane: Plane) -> str | None:
    alpha = comparison.settings.alpha
    fair, costly, untested = [], [], []
    for label in plane.points:
        row = _row(comparison, label)
        if row.members:
            continue
        quality = comparison.cells[label, plane.quality.key]
        diversity = comparison.cells[label, plane.diversity.key]
        if diversity.difference is None or quality.difference is None:
            untested.append(label)
        elif better_worse(plane.diversity, diversity, alpha) != "better":
            continue
        elif better_worse(plane.quality, quality, alpha) == "worse":
            costly.append(label)
        else:
            fair.append(label)
    compared = [label for label in plane.points if label not in untested]
    if not compared:
        return None
    name = metric_title(plane.diversity.metric).title
    than = _than(comparison, compared, plane)
    cost = ""
    if costly:
        verb = "is" if len(costly) == 1 else "are"
        cost = f" {_listed(costly)} {verb} more diverse too, but at a significant cost in quality."
    if not fair:
        return (
            f"{plane.title}: no run is significantly more diverse than {than} at no significant cost in "
            f"quality.{cost}"
        )
    best = _most_diverse(comparison, fair, plane.diversity)
    peers = [
        label
        for label in fair
        if label != best and comparison.cells[label, plane.diversity.key].best
        and comparison.cells[best, plane.diversity.key].best
    ]  # fmt: skip
    diversity = comparison.cells[best, plane.diversity.key]
    quality = comparison.cells[best, plane.quality.key]
    peers_said = f" {_listed(peers)} cannot be told from it." if peers else ""
    return (
        f"{plane.title}: {best} is the most diverse at no significant cost in quality: {name} "
        f"{_shown(diversity, plane.diversity)} ({_change(diversity, plane.diversity, _other(diversity))}), "
        f"{metric_title(plane.quality.metric).title} {_shown(quality, plane.quality)} "
        f"({_change(quality, plane.quality)})."
        f"{peers_said}{cost}"
    )


def _alone(comparison: Comparison, column: Column) -> str | None:
    alpha = comparison.settings.alpha
    cells = [cell for cell in comparison.cells_of(column.key) if not _row(comparison, cell.row).members]
    compared = [cell for cell in cells if cell.difference is not None]
    if not compared:
        return None
    better = [cell.row for cell in compared if better_worse(column, cell, alpha) == "better"]
    title = task_title(column.task) + (f" ({column.variant})" if column.variant else "")
    unknown = "Quality was not measured, so its price is not known."
    name = metric_title(column.metric).title
    if not better:
        return (
            f"{title}: no run is significantly more diverse than {_other(compared[0])} by {name}. {unknown}"
        )
    best = _most_diverse(comparison, better, column)
    cell = comparison.cells[best, column.key]
    return (
        f"{title}: {best} is the most diverse by {name}: {_shown(cell, column)} "
        f"({_change(cell, column, _other(cell))}). {unknown}"
    )


def _elsewhere(comparison: Comparison) -> list[str]:
    """Significant changes in the leaderboard's metrics that are neither diversity nor quality."""
    found = []
    for column in comparison.columns:
        if not column.headline or metric_title(column.metric).role is not None:
            continue
        changes: dict[tuple[str, str], list[str]] = {}
        for cell in comparison.cells_of(column.key):
            word = better_worse(column, cell, comparison.settings.alpha)
            if word and cell.difference is not None and not _row(comparison, cell.row).members:
                said = f"{cell.row} ({_shown(cell, column)}, {_signed(cell.difference.difference, column)})"
                changes.setdefault((word, cell.difference.other), []).append(said)
        title = task_title(column.task) + (f" ({column.variant})" if column.variant else "")
        for (word, other), who in changes.items():
            found.append(
                f"{title}, {metric_title(column.metric).title}: significantly {word} than {other}: "
                f"{_listed(who)}."
            )
    return found


def _most_diverse(comparison: Comparison, labels: Sequence[str], column: Column) -> str:
    sign = -1 if column.higher_is_better is False else 1
    return max(labels, key=lambda label: sign * comparison.cells[label, column.key].mean)


def _than(comparison: Comparison, labels: Sequence[str], plane: Plane) -> str:
    others = dict.fromkeys(_other(comparison.cells[label, plane.diversity.key]) for label in labels)
    return next(iter(others)) if len(others) == 1 else f"its baseline ({comparison.settings.baseline})"


def _other(cell: Cell) -> str:
    return cell.difference.other if cell.difference is not None else ""


def _shown(cell: Cell, column: Column) -> str:
    return f"{cell.mean:.{metric_title(column.metric).decimals}f}"


def _signed(value: float, column: Column) -> str:
    return f"{value:+.{metric_title(column.metric).decimals}f}".replace("-", "−")


def _change(cell: Cell, column: Column, than: str = "") -> str:
    """`10.4 less than ce [9.1, 11.8], p < 0.001`."""
    difference = cell.difference
    if difference is None:
        return "not tested"
    decimals = metric_title(column.metric).decimals
    size, than = difference.difference, f" than {than}" if than else ""
    ends = [difference.lower, difference.upper]
    if size == 0 or any(map(math.isnan, ends)) or ends[0] * ends[1] < 0:
        value = f"{_signed(size, column)}{' against' + than.removeprefix(' than') if than else ''}"
        interval = ", ".join(_signed(end, column) for end in ends)
    else:
        value = f"{abs(size):.{decimals}f} {'more' if size > 0 else 'less'}{than}"
        interval = ", ".join(f"{end:.{decimals}f}" for end in sorted(map(abs, ends)))
    return f"{value} [{interval}], {shown_p(difference.p_adjusted)}"


def _listed(names: Sequence[str]) -> str:
    if len(names) > _MOST_NAMED + 1:
        return f"{', '.join(names[:_MOST_NAMED])} and {len(names) - _MOST_NAMED} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _row(comparison: Comparison, label: str) -> Row:
    return next(row for row in comparison.rows if row.label == label)

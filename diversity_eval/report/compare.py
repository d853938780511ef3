"""From rows and evaluations to a comparison: means, intervals, tests, and what is best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from diversity_eval.errors import DiversityEvalError
from diversity_eval.report.cells import cells_of, values_of
from diversity_eval.report.comparison import Cell, Comparison, Row, Settings
from diversity_eval.report.differences import compare_with_baseline, mark_best
from diversity_eval.report.joining import Joined, join
from diversity_eval.report.protocols import PROTOCOLS, Protocol
from diversity_eval.report.rows import group_rows
from diversity_eval.report.summary import summarise
from diversity_eval.report.titles import LOSS_ORDER

if TYPE_CHECKING:
    from diversity_eval.report.evaluation import Evaluation

__all__ = ["compare_rows", "default_baseline"]


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
    values = [values_of(each, everyone) for each in joined]
    cells = cells_of(joined, values, everyone, settings)
    progress("tests")
    compare_with_baseline(cells, values, reference, settings)
    mark_best(cells, values, {row.label for row in everyone if row.members}, settings)
    said += _baseline_warnings(everyone, reference, cells, settings)
    comparison = Comparison(
        settings=settings, rows=tuple(everyone), columns=tuple(each.column for each in joined),
        cells=cells, evaluations=tuple(evaluations), warnings=tuple(dict.fromkeys(said)),
    )  # fmt: skip
    return replace(comparison, summary=tuple(summarise(comparison)))


def default_baseline(rows: Sequence[Row]) -> str:
    """What rows are compared with unasked: cross-entropy's row, else the base's, else the first."""
    for loss in ("ce", "base"):
        of_loss = [row for row in rows if row.loss == loss]
        if len(of_loss) == 1:
            return of_loss[0].label
        if of_loss:
            return loss
    return rows[0].label


def _by_model(rows: Sequence[Row]) -> list[Row]:
    """Rows by model, in the order in which the models were named, and by loss, in the paper's; those without
    a loss come last in their model.
    """
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

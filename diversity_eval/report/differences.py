"""What a comparison tests: each row against its baseline, and each against the best of its column."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from diversity_eval.metrics.statistics import holm, paired_tests
from diversity_eval.report.cells import ColumnValues
from diversity_eval.report.comparison import Cell, Difference, Settings

if TYPE_CHECKING:
    import numpy as np

    Booleans = np.ndarray[Any, np.dtype[np.bool_]]

__all__ = ["compare_with_baseline", "mark_best"]


@dataclass(frozen=True)
class _Pair:
    """Two rows of a column that are tested against each other."""

    values: ColumnValues
    row: str
    other: str


def compare_with_baseline(
    cells: dict[tuple[str, str], Cell],
    values: Sequence[ColumnValues],
    reference: Mapping[str, str],
    settings: Settings,
) -> None:
    """Give each cell its difference from the baseline's, on the prompts that both have.

    `reference` has a row's baseline, none for baselines themselves. `cells` is changed.
    """
    pairs = [
        _Pair(each, label, reference[label])
        for each in values
        for label in each.labels
        if label in reference and reference[label] in each.labels
    ]
    for pair, difference in _tested(pairs, settings):
        key = pair.row, pair.values.column.key
        cells[key] = replace(cells[key], difference=difference)


def mark_best(
    cells: dict[tuple[str, str], Cell], values: Sequence[ColumnValues], groups: set[str], settings: Settings
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

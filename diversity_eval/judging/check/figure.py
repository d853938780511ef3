"""`judge_check.png`: ranks, means and the histogram of a check in one picture."""

from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.check.checks import Check, DegradationResult, KindResult
from diversity_eval.judging.check.degradations import DEGRADATIONS
from diversity_eval.judging.check.measures import Comparison

__all__ = ["draw"]

# Okabe and Ito's colours, which stay apart for the colour-blind, and a light grey between them.
_ABOVE, _EQUAL, _BELOW = "#0072B2", "#D5D5D5", "#D55E00"
_INK, _FAINT = "#222222", "#777777"
_GAP = 0.6  # between what must cost points and what must not
_LEAST_LABELLED = 0.08  # a narrower piece of a bar has no room for its number


def draw(check: Check, path: Path) -> None:
    """Write the figure, a row per kind of task.

    Left: how often the original is rated above, equal, below. Middle: mean ratings with the interval of the
    difference. Right: ratings of the originals. In `rate` mode expected ratings stand beside ratings.

    Raises DiversityEvalError if matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch
    except ImportError as error:
        raise DiversityEvalError(
            f"the figure needs matplotlib ({error}): pip install 'diversity-eval[report]'"
        ) from None
    height = 4.3 * len(check.kinds) + 0.9
    layout = ConstrainedLayoutEngine(rect=(0, 0.5 / height, 1, 1 - 1.0 / height), w_pad=0.12, h_pad=0.15)
    figure = Figure(figsize=(13, height), dpi=150, facecolor="white", layout=layout)
    grid = figure.subplots(len(check.kinds), 3, squeeze=False, width_ratios=(1.35, 1.35, 0.9))
    for row, result in zip(grid, check.kinds, strict=True):
        _ranks(row[0], check, result)
        _means(row[1], check, result)
        _histogram(row[2], check, result)
    figure.suptitle(
        f"Judge check: {check.config.name} (mode {check.config.mode})",
        x=0.012, y=1 - 0.12 / height, ha="left", va="top", fontsize=15, fontweight="bold", color=_INK,
    )  # fmt: skip
    marks = [
        Patch(color=_ABOVE, label="original rated above"),
        Patch(color=_EQUAL, label="equal"),
        Patch(color=_BELOW, label="original rated below"),
        Line2D(
            [], [], marker="|", markersize=13, markeredgewidth=2, color=_INK, linestyle="",
            label="mean of originals",
        ),
        Line2D([], [], marker="o", color=_BELOW, label="mean of degraded, by rating"),
    ]  # fmt: skip
    if check.config.mode == "rate":
        marks.append(Line2D(
            [], [], marker="o", markerfacecolor="white", color=_BELOW, label="by expected rating"
        ))  # fmt: skip
    figure.legend(
        handles=marks, loc="lower left", bbox_to_anchor=(0.006, 0.04 / height), ncols=len(marks),
        frameon=False, fontsize=9.5, handlelength=1.3, columnspacing=1.6,
    )  # fmt: skip
    figure.savefig(path)


def _heights(result: KindResult) -> list[float]:
    """Where each degradation's row is; the last, which must cost nothing, stands apart."""
    rows = len(result.degradations)
    return [
        rows - 1 - place + (_GAP if DEGRADATIONS[entry.name].costs else 0.0)
        for place, entry in enumerate(result.degradations)
    ]


def _measures(entry: DegradationResult) -> list[tuple[Comparison, float]]:
    """By rating, and by expected rating where there is one: each with its place in the row."""
    if entry.expected is None:
        return [(entry.rating, 0.0)]
    return [(entry.rating, 0.19), (entry.expected, -0.19)]


def _ranks(axes: Any, check: Check, result: KindResult) -> None:
    two = check.config.mode == "rate"
    for entry, level in zip(result.degradations, _heights(result), strict=True):
        for place, (found, offset) in enumerate(_measures(entry)):
            left = 0.0
            thickness = 0.34 if two else 0.62
            for share, colour, ink in (
                (found.above, _ABOVE, "white"), (found.equal, _EQUAL, _INK), (found.below, _BELOW, "white"),
            ):  # fmt: skip
                if not share.count:
                    continue
                axes.barh(level + offset, share.share, thickness, left=left, color=colour, linewidth=0)
                if share.share >= _LEAST_LABELLED:
                    axes.text(
                        left + share.share / 2, level + offset, f"{100 * share.share:.0f}",
                        ha="center", va="center", color=ink, fontsize=8 if two else 9.5,
                    )  # fmt: skip
                left += share.share
            if two:
                axes.text(
                    1.015, level + offset, ("rating", "expected")[place],
                    va="center", fontsize=7.5, color=_FAINT,
                )  # fmt: skip
            if not found.pairs:
                axes.text(0.5, level + offset, "no pairs", ha="center", va="center", fontsize=8, color=_FAINT)
    _degradation_axis(axes, result, labelled=True)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"])
    axes.set_title(f"{result.kind}: share of pairs", **_TITLE)


def _means(axes: Any, check: Check, result: KindResult) -> None:
    low, high = check.config.lowest, check.config.highest
    for entry, level in zip(result.degradations, _heights(result), strict=True):
        for place, (found, offset) in enumerate(_measures(entry)):
            if not found.pairs:
                continue
            at = level + offset
            axes.plot([found.original, found.degraded], [at, at], color="#E3E3E3", linewidth=5, zorder=1)
            axes.plot(
                [found.original], [at], "|", markersize=11 if check.config.mode == "rate" else 15,
                markeredgewidth=2, color=_INK, zorder=2,
            )  # fmt: skip
            if found.loss.lower == found.loss.lower:
                ends = [found.original - found.loss.upper, found.original - found.loss.lower]
                axes.plot(ends, [at, at], color=_BELOW, linewidth=1.4, zorder=3)
            axes.plot(
                [found.degraded], [at], "o", markersize=6.5, zorder=4, color=_BELOW,
                markerfacecolor=_BELOW if place == 0 else "white", clip_on=False,
            )  # fmt: skip
    _degradation_axis(axes, result, labelled=False)
    axes.set_xlim(low - 0.04 * (high - low), high + 0.04 * (high - low))
    if high - low <= 10:
        axes.set_xticks(range(low, high + 1))
    axes.set_title("mean rating, 95 % interval of the difference", **_TITLE)


_TITLE: dict[str, Any] = {"loc": "left", "fontsize": 10.5, "color": _INK, "pad": 9}


def _degradation_axis(axes: Any, result: KindResult, *, labelled: bool) -> None:
    levels = _heights(result)
    titles = [
        DEGRADATIONS[entry.name].title + ("" if DEGRADATIONS[entry.name].costs else "\n(must cost nothing)")
        for entry in result.degradations
    ]
    axes.set_yticks(levels, titles if labelled else [""] * len(titles), fontsize=9.5, color=_INK)
    axes.set_ylim(-0.55, max(levels) + 0.55)
    _plain(axes, grid="x")
    axes.spines["left"].set_visible(False)


def _histogram(axes: Any, check: Check, result: KindResult) -> None:
    place = result.position
    scale = range(check.config.lowest, check.config.highest + 1)
    axes.bar(list(scale), place.histogram, 0.74, color=_ABOVE, linewidth=0)
    for rating, count in zip(scale, place.histogram, strict=True):
        if count:
            axes.annotate(
                str(count), (rating, count), (0, 3), textcoords="offset points",
                ha="center", fontsize=9, color=_INK,
            )  # fmt: skip
    if len(scale) <= 11:
        axes.set_xticks(list(scale))
    _plain(axes, grid="y")
    axes.set_ylim(0, max(1, *place.histogram) * 1.12)
    axes.yaxis.get_major_locator().set_params(integer=True)
    if place.unscored:
        axes.set_xlabel(f"{place.unscored} of them unscored", color=_INK, fontsize=9.5)
    axes.set_title(f"ratings of {place.responses} originals", **_TITLE)


def _plain(axes: Any, *, grid: str) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#BBBBBB")
    axes.tick_params(length=0, labelcolor=_INK)
    axes.grid(axis=grid, color="#EEEEEE", linewidth=0.8)
    axes.set_axisbelow(True)

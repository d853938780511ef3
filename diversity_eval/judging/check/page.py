"""`judge_check.md`: the tables of a check, as Markdown that can also be read in a terminal."""

from collections.abc import Sequence

from diversity_eval.judging.check.cases import CaseSet
from diversity_eval.judging.check.checks import Check, DegradationResult, KindResult
from diversity_eval.judging.check.degradations import DEGRADATIONS
from diversity_eval.judging.check.measures import Agreement, Comparison, Share
from diversity_eval.judging.check.words import interval, number, percent, sentences

__all__ = ["page"]

_HOW_TO_READ = """\
## How to read this

- Each prompt gives one pair: a real response and the same one degraded. *Above* is the share of pairs in
  which the original is rated above the degraded one; *loss* is the mean of original minus degraded, in
  points, with a 95 % bootstrap interval; *p* is that of a sign-flip test.
- **sees**: the original is above in more than half of the pairs (lower end of Wilson's 95 % interval), the
  interval of the loss lies above 0, and the loss is at least 5 % of the scale. **sees weakly**: only the
  interval of the loss lies above 0. **prefers it**: it lies below 0. **unclear**: it includes 0, but reaches
  up to 10 % of the scale. **blind**: it includes 0 and ends below that.
- Being cut off must cost nothing. **costs points**: the interval lies above 0. **unclear**: it does not, but
  reaches up to 10 % of the scale. **costs nothing**: neither.
- **too few**: fewer than 5 pairs.
- Not every degradation ruins every response: a short answer to another prompt may fit by chance. So the
  shares need not reach 100 %.
"""


def page(check: Check, sets: Sequence[CaseSet], *, explained: bool = True) -> str:
    """The whole page.

    Args:
        check: finished.
        sets: where its cases came from.
        explained: with the section on how to read it.
    """
    lines = [f"# Judge check: {check.config.name}", ""]
    lines += [f"- {entry.description}" for entry in sets]
    unscored = sum(verdict.rating is None for verdict in check.verdicts)
    share = f" ({unscored / len(check.verdicts):.1%})" if unscored else ""
    lines += [
        f"- {len(check.verdicts)} ratings in mode {check.config.mode}"
        + (" and the originals in the other mode" if check.other_mode is not None else "")
        + f", {unscored} of them unscored{share}; seed {check.seed}",
        "",
    ]
    for result in check.kinds:
        lines += [
            f"## {result.kind}: {result.prompts} prompts, {result.position.responses} responses",
            "",
            *(f"- {text}" for text in sentences(check, result)),
            "",
            *_tables(check, result),
            f"Judge: `{result.signature}`",
            "",
        ]
    return "\n".join(lines) + ("\n" + _HOW_TO_READ if explained else "")


def _tables(check: Check, result: KindResult) -> list[str]:
    expected = [(entry, entry.expected, entry.expected_reading or "") for entry in result.degradations]
    lines = _comparisons(
        "By rating (what `quality` is the mean of)",
        [(entry, entry.rating, entry.reading) for entry in result.degradations],
    )
    if check.config.mode == "rate":
        lines += _comparisons(
            "By expected rating (`quality_expected`)",
            [(entry, found, reading) for entry, found, reading in expected if found is not None],
        )
    lines += _histogram(check, result)
    for title, found in (
        ("Modes: generate (first), rate (second)", result.modes),
        ("Human ratings (first), ratings (second)", result.human),
        ("Human ratings (first), expected ratings (second)", result.human_expected),
    ):
        if found is not None:
            lines += _agreement(title, found)
    return lines


def _comparisons(title: str, rows: Sequence[tuple[DegradationResult, Comparison, str]]) -> list[str]:
    header = (
        "degradation", "pairs", "above", "equal", "below", "original", "degraded", "loss", "p", "reading",
        "left out", "unscored",
    )  # fmt: skip
    cells = [
        (
            DEGRADATIONS[entry.name].title,
            str(found.pairs),
            _share(found.above),
            *(percent(share.share) for share in (found.equal, found.below)),
            number(found.original),
            number(found.degraded),
            interval(found.loss),
            "-" if found.p_value != found.p_value else f"{found.p_value:.2g}",
            reading,
            str(entry.left_out),
            str(entry.built - found.pairs),
        )
        for entry, found, reading in rows
    ]
    return [f"{title}:", "", *_table(header, cells, left={0, 9}), ""]


def _share(share: Share) -> str:
    if share.lower != share.lower:
        return "-"
    return f"{percent(share.share)} ({100 * share.lower:.0f} to {100 * share.upper:.0f})"


def _histogram(check: Check, result: KindResult) -> list[str]:
    place = result.position
    given = sum(place.histogram)
    header = ("rating", *map(str, range(check.config.lowest, check.config.highest + 1)), "unscored")
    counts = ("originals", *map(str, place.histogram), str(place.unscored))
    shares = ("share of rated", *(percent(n / given) if given else "-" for n in place.histogram), "")
    lines = ["Ratings of the originals:", "", *_table(header, [counts, shares], left={0}), ""]
    if place.scale_mass == place.scale_mass:
        lines += [
            f"The judge gives {percent(place.scale_mass)} of its probability to ratings at all; the entropy "
            f"of its distributions is {number(place.entropy)} nats on average.",
            "",
        ]
    return lines


def _agreement(title: str, found: Agreement) -> list[str]:
    header = (
        "responses", "prompts", "equal", "within 1", "kappa", "Spearman", "Pearson", "second minus first",
        "absolute difference", "unscored",
    )  # fmt: skip
    cells = (
        str(found.pairs), str(found.prompts), percent(found.exact.value), percent(found.within_one.value),
        interval(found.kappa), interval(found.spearman), interval(found.pearson), interval(found.difference),
        interval(found.absolute_difference), f"{found.unscored[0]}, {found.unscored[1]}",
    )  # fmt: skip
    return [f"{title}:", "", *_table(header, [cells], left=set()), ""]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: set[int]) -> list[str]:
    """Columns are padded, so that it is a table in a terminal too."""
    widths = [max(3, *map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * width if place in left else "-" * (width - 1) + ":" for place, width in enumerate(widths)]
    return [line(header), line(rule), *map(line, rows)]

"""Counting what becomes of every row."""

from collections.abc import Mapping

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.data.loaded import DataReport

__all__ = ["Account", "report_lines"]

_EXAMPLES = 3


class Account:
    """The report while it is written; under `strict` the first unusable row is an error."""

    def __init__(self, place: str, *, strict: bool) -> None:
        """`place` is what stands before a row's number, e.g. `alpaca row`."""
        self.report = DataReport()
        self._place = place
        self._strict = strict

    def place(self, number: int) -> str:
        """The name of a row."""
        return f"{self._place} {number}"

    def use(self, number: int, noted: tuple[str, ...] = ()) -> None:
        """Count a row as used."""
        self.report.used += 1
        for what in noted:
            self._count(self.report.noted, what, number)

    def leave_out(self, number: int, reason: str, *, on_purpose: bool = False) -> None:
        """Count a row as not used. Raises DiversityEvalError under `strict` unless that is on purpose."""
        if self._strict and not on_purpose:
            raise DiversityEvalError(
                f"{self.place(number)}: {reason}; mend or remove the row, or train without strict, which "
                "leaves such rows out and counts them"
            )
        self._count(self.report.left_out, reason, number)

    def not_drawn(self, count: int) -> None:
        """Count rows that may be usable, but that `max_rows` did not draw."""
        if count:
            self.report.left_out[NOT_DRAWN] = count

    def _count(self, counts: dict[str, int], what: str, number: int) -> None:
        counts[what] = counts.get(what, 0) + 1
        examples = self.report.examples.setdefault(what, [])
        if len(examples) < _EXAMPLES:
            examples.append(self.place(number))


NOT_DRAWN = "not drawn (max_rows)"


def report_lines(report: DataReport) -> list[str]:
    """The report as lines to read: a total, then one line for each reason, the most frequent first."""
    lines = [f"{report.read:,} rows read, {report.used:,} used"]
    for title, counts in (("left out", report.left_out), ("noted", report.noted)):
        for what, count in _by_size(counts):
            examples = ", ".join(report.examples.get(what, []))
            more = ", ..." if examples and count > len(report.examples[what]) else ""
            lines.append(f"{title}, {what}: {count:,}" + (f" ({examples}{more})" if examples else ""))
    return lines


def _by_size(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))

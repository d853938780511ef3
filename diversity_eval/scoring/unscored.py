"""How many responses a judge left without a rating, and when that is too many."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["LARGEST_UNSCORED_SHARE", "Unscored"]

LARGEST_UNSCORED_SHARE = 0.05
"""Above this share of unscored responses a command ends with a status other than 0."""

_REASONS_SHOWN = 3
_LONGEST_REASON = 120


@dataclass(frozen=True)
class Unscored:
    """The unscored responses of a task.

    Attributes:
        responses: the number of responses that were to be rated.
        reasons: how often each reason was given.
    """

    responses: int
    reasons: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of_rows(cls, rows: Iterable[Mapping[str, Any]]) -> "Unscored":
        """Counted from what `PromptScorer` notes for each prompt."""
        responses = 0
        reasons: Counter[str] = Counter()
        for row in rows:
            responses += len(row["ratings"])
            reasons.update(entry["reason"] for entry in row["unscored"])
        return cls(responses, reasons)

    @property
    def count(self) -> int:
        """The number of unscored responses."""
        return self.reasons.total()

    @property
    def too_many(self) -> bool:
        """Whether they are more than a number can be published with."""
        return self.count > LARGEST_UNSCORED_SHARE * self.responses

    def __add__(self, other: "Unscored") -> "Unscored":
        return Unscored(self.responses + other.responses, self.reasons + other.reasons)

    def most_common(self) -> str:
        """The most frequent reasons with their counts."""
        shown = [
            f"{' '.join(reason.split())[:_LONGEST_REASON]} ({count})"
            for reason, count in self.reasons.most_common(_REASONS_SHOWN)
        ]
        rest = len(self.reasons) - len(shown)
        return "; ".join(shown) + (f"; and {rest} other reasons" if rest > 0 else "")

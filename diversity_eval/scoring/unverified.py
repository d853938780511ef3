"""How many answers could not be found or verified, and when that has to be said."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from diversity_eval.scoring.unscored import LARGEST_UNSCORED_SHARE

__all__ = ["Unverified"]

_MANY_MISSING = 0.5


@dataclass(frozen=True)
class Unverified:
    """The answers of a coverage task that are neither right nor wrong.

    Attributes:
        responses: the number of all responses.
        missing: of those without an answer in a box: the model's doing, and never an error.
        unverifiable: of those whose answer could not be compared.
    """

    responses: int
    missing: int
    unverifiable: int

    @classmethod
    def of_rows(cls, rows: Iterable[Mapping[str, Any]]) -> "Unverified":
        """Counted from what `CoverageScorer` notes for each prompt; nothing for rows of other tasks."""
        verdicts = Counter(verdict for row in rows for verdict in row.get("verdicts") or ())
        return cls(verdicts.total(), verdicts["missing"], verdicts["unverifiable"])

    @property
    def too_many(self) -> bool:
        """Whether they are more unverifiable ones than a number can be published with."""
        return self.unverifiable > LARGEST_UNSCORED_SHARE * self.responses

    def lines(self) -> list[str]:
        """What is to be said of them, a line each; the unverifiable ones last."""
        said = []
        if self.missing > _MANY_MISSING * self.responses:
            said.append(
                f"{self.missing} of {self.responses} responses have no answer in a \\boxed{{}}; they count "
                "as not right. If the model was cut off, give it more new tokens"
            )
        if self.unverifiable:
            said.append(
                f"{self.unverifiable} of {self.responses} answers could not be verified; they count as not "
                "right, and the sample log says under `unverifiable` why"
            )
        return said

"""What the trainer gets: token ids, labels, and an account of every row that was read."""

from dataclasses import dataclass, field
from typing import Any

__all__ = ["DataReport", "EncodedRow", "TrainingSet"]


@dataclass(frozen=True)
class EncodedRow:
    """One row ready for training.

    `labels` is as long as `input_ids`: -100 where a token is not part of a response, else the token itself
    (not shifted). The first label is always -100. `place` names the row in its source, e.g. `alpaca row 17`.
    """

    input_ids: list[int]
    labels: list[int]
    place: str


@dataclass
class DataReport:
    """What became of the rows: `read` = `used` + everything under `left_out`.

    `left_out` counts rows by reason (`empty response`, `prompt too long`, ...), `noted` counts rows that were
    used but are worth knowing of (`response cut`, `boundary kept apart`); `examples` names the first few rows
    of each.
    """

    read: int = 0
    used: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    noted: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingSet:
    """Rows in the order of their source, the account of them, and where they came from.

    `provenance` is plain values (source, location, revision, digest, licence) for the model card and files.
    """

    rows: list[EncodedRow]
    report: DataReport
    provenance: dict[str, Any]

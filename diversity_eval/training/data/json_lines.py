"""Reading a user's .jsonl file, line by line, without stopping at a bad one."""

import hashlib
import json
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.data.conversation import NumberedRow

__all__ = ["read_json_lines"]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_json_lines(path: Path, first_rows: int | None = None) -> tuple[list[NumberedRow], str]:
    """The rows of a file, numbered by their lines, and the SHA-256 of the whole file.

    A line ends at a line feed only, so that U+2028 and the like stay inside the text; blank lines are no
    rows; a byte-order mark at the start is dropped. A line that is no JSON object becomes a row with a
    `problem`.

    Raises DiversityEvalError if the file cannot be read.
    """
    rows: list[NumberedRow] = []
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                digest.update(line)
                if number == 1:
                    line = line.removeprefix(_BYTE_ORDER_MARK)
                if line.strip() and (first_rows is None or len(rows) < first_rows):
                    rows.append(_row(number, line))
    except OSError as error:
        raise DiversityEvalError(
            f"dataset {path} cannot be read ({error.strerror}); give an existing .jsonl file"
        ) from None
    return rows, digest.hexdigest()


def _row(number: int, line: bytes) -> NumberedRow:
    try:
        value = json.loads(line.decode("utf-8"), object_pairs_hook=_without_repeats)
    except UnicodeDecodeError:
        return NumberedRow(number, None, "not UTF-8")
    except _RepeatedKeyError:
        return NumberedRow(number, None, "a key occurs twice")
    except (ValueError, RecursionError):  # ValueError: a number of thousands of digits, too
        return NumberedRow(number, None, "not JSON")
    if not isinstance(value, dict):
        return NumberedRow(number, None, "not an object")
    return NumberedRow(number, value)


class _RepeatedKeyError(Exception):
    """An object of which one value would be lost."""


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise _RepeatedKeyError
    return row

"""Rows of JSONL, CSV and Parquet files, each with its place; and JSON lines that any file can hold."""

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError

__all__ = ["Row", "json_line", "read_csv", "read_jsonl", "read_parquet"]

Row = tuple[str, dict[str, Any]]
"""Where a row is (`line 3`), and its fields."""

_BOM = b"\xef\xbb\xbf"
_LONGEST_FIELD = 2**31 - 1  # what a C long holds everywhere
# Characters that some readers take for line ends, and halves of surrogate pairs, which UTF-8 cannot hold.
_ESCAPED = re.compile("[\x85\u2028\u2029\ud800-\udfff]")


def json_line(row: Mapping[str, Any]) -> bytes:
    """One line of a JSONL file. nan is written bare, as lm-eval does; what JSON does not know, as text."""
    line = json.dumps(row, ensure_ascii=False, default=str)
    return (_ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", line) + "\n").encode("utf-8")


def read_jsonl(path: Path) -> list[Row]:
    """The objects of a JSONL file. Lines end at a line feed and nowhere else; blank ones are skipped.

    Raises DiversityEvalError that names file, line and fault.
    """
    rows: list[Row] = []
    try:
        # A binary file's iterator ends lines at b"\n" only.
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                text = line.removeprefix(_BOM) if number == 1 else line
                if text.strip():
                    rows.append((f"line {number}", _object(text, f"{path}, line {number}")))
    except OSError as error:
        raise DiversityEvalError(f"{path}: cannot be read ({error.strerror})") from None
    return rows


def _object(line: bytes, where: str) -> dict[str, Any]:
    try:
        found = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DiversityEvalError(f"{where}: not UTF-8 (byte {error.start + 1}); save it as UTF-8") from None
    except json.JSONDecodeError as error:
        raise DiversityEvalError(
            f"{where}: not JSON ({error.msg}, column {error.colno}); expected one JSON object a line"
        ) from None
    except RecursionError:
        raise DiversityEvalError(f"{where}: JSON that is nested too deeply") from None
    except ValueError as error:
        raise DiversityEvalError(f"{where}: not usable JSON ({error})") from None
    if not isinstance(found, dict):
        raise DiversityEvalError(f"{where}: a JSON {type(found).__name__}; expected one JSON object a line")
    return found


def read_csv(path: Path) -> list[Row]:
    """The records of a CSV file with a header line; values are texts. Blank lines are skipped.

    Raises DiversityEvalError that names file, line (where the record ends) and fault.
    """
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _records(path, csv.reader(file, strict=True))
    except OSError as error:
        raise DiversityEvalError(f"{path}: cannot be read ({error.strerror})") from None
    finally:
        csv.field_size_limit(before)


def _records(path: Path, reader: Any) -> list[Row]:
    rows: list[Row] = []
    header: list[str] | None = None
    try:
        for values in reader:
            where = f"line {reader.line_num}"
            if not values:
                continue
            if header is None:
                header = values
                if repeated := [name for name in header if header.count(name) > 1]:
                    raise DiversityEvalError(f"{path}, {where}: the header names {repeated[0]!r} twice")
            elif len(values) != len(header):
                raise DiversityEvalError(
                    f"{path}, {where}: {len(values)} fields, but the header has {len(header)}"
                )
            else:
                rows.append((where, dict(zip(header, values, strict=True))))
    except csv.Error as error:
        raise DiversityEvalError(f"{path}, line {reader.line_num}: not CSV ({error})") from None
    except UnicodeDecodeError as error:
        raise DiversityEvalError(
            f"{path}, after line {reader.line_num}: not UTF-8 ({error.reason}); save it as UTF-8"
        ) from None
    return rows


def read_parquet(path: Path) -> list[Row]:
    """The rows of a Parquet file, numbered from 1.

    Raises DiversityEvalError for a file that is none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # ParquetFile, not read_table: that one makes columns out of folder names such as "split=test".
        with pq.ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
            rows = file.read().to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise DiversityEvalError(f"{path}: not a Parquet file that can be read ({reason})") from None
    if repeated := [name for name in names if names.count(name) > 1]:
        raise DiversityEvalError(f"{path}: the column {repeated[0]!r} occurs twice")
    return [(f"row {number}", row) for number, row in enumerate(rows, 1)]

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.data.json_lines import read_json_lines


def written(folder: Path, content: bytes) -> Path:
    path = folder / "rows.jsonl"
    path.write_bytes(content)
    return path


def test_lines_and_what_is_wrong_with_them(tmp_path: Path) -> None:
    lines = [
        b'\xef\xbb\xbf{"a": 1}',
        b"",
        b'{"a": "x\xe2\x80\xa8y\x0cz"}'.replace(b"\x0c", b"\\f"),
        b"  \r",
        b'{"a": 2}\r',
        b"[1]",
        b"null",
        b'{"a": ',
        b'{"a": "\xff"}',
        b'{"a": 1, "a": 2}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[" * 200_000,
        b'{"a": NaN, "b": 1e999, "c": "\\ud800\\u0000"}',
    ]
    rows, digest = read_json_lines(written(tmp_path, b"\n".join(lines)))
    assert [(row.number, row.problem) for row in rows] == [
        (1, ""),
        (3, ""),
        (5, ""),
        (6, "not an object"),
        (7, "not an object"),
        (8, "not JSON"),
        (9, "not UTF-8"),
        (10, "a key occurs twice"),
        (11, "not JSON"),
        (12, "not JSON"),
        (13, ""),
    ]
    assert rows[0].value == {"a": 1}
    assert rows[1].value == {"a": "x\u2028y\x0cz"}
    assert digest == hashlib.sha256(b"\n".join(lines)).hexdigest()


def test_first_rows_count_rows_and_not_lines(tmp_path: Path) -> None:
    content = b'\n\n{"a": 1}\n\nbad\n{"a": 3}\n'
    rows, digest = read_json_lines(written(tmp_path, content), 2)
    assert [row.number for row in rows] == [3, 5]
    assert digest == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", ["absent.jsonl", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DiversityEvalError, match=r"cannot be read .* give an existing"):
        read_json_lines(tmp_path / name)


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3), max_size=5))
def test_what_json_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]
) -> None:
    text = "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows)
    found, _ = read_json_lines(written(tmp_path_factory.mktemp("rows"), text.encode()))
    assert [row.value for row in found] == rows
    assert [row.number for row in found] == list(range(1, len(rows) + 1))


@given(st.binary(max_size=200))
def test_any_bytes_are_rows_or_problems(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    found, _ = read_json_lines(written(tmp_path_factory.mktemp("bytes"), content))
    assert len(found) <= content.count(b"\n") + 1
    assert all(isinstance(row.value, dict) != bool(row.problem) for row in found)

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs.rows import json_line, read_csv, read_jsonl, read_parquet

ANY_TEXT = st.text(st.characters(), max_size=30)  # lone surrogates, control characters, line separators
UTF_8_TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
NASTY = ["", "\u2028", "a\u0085b\u2029", "\r", "\r\n\n", '","', "\ufeff", "\x00\x1c", "\ud83d", "nan", "null"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows")


@given(st.lists(st.dictionaries(ANY_TEXT, st.lists(ANY_TEXT)), max_size=5))
def test_json_lines_hold_any_text(folder: Path, rows: list[dict[str, Any]]) -> None:
    path = folder / "any.jsonl"
    path.write_bytes(b"".join(map(json_line, rows)))
    assert path.read_bytes().count(b"\n") == len(rows) == len(path.read_text(encoding="utf-8").splitlines())
    assert read_jsonl(path) == [(f"line {number}", row) for number, row in enumerate(rows, 1)]


@pytest.mark.parametrize("ascii_only", [True, False])
def test_json_lines_of_other_writers(folder: Path, ascii_only: bool) -> None:
    texts = [text for text in NASTY if ascii_only or text != "\ud83d"]
    lines = "".join(json.dumps({"text": text}, ensure_ascii=ascii_only) + "\r\n" for text in texts)
    path = folder / "others.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + lines.encode() + b"\n  \n")
    assert [row["text"] for _, row in read_jsonl(path)] == texts


@given(st.lists(st.tuples(UTF_8_TEXT, UTF_8_TEXT), max_size=5), st.booleans())
def test_csv_gives_back_the_texts(folder: Path, rows: list[tuple[str, str]], bom: bool) -> None:
    path = folder / "any.csv"
    with path.open("w", encoding="utf-8-sig" if bom else "utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([("prompt", "response"), *rows])
    found = read_csv(path)
    assert [(row["prompt"], row["response"]) for _, row in found] == rows


def test_csv_with_blank_lines_and_fields_longer_than_python_s_default(folder: Path) -> None:
    path = folder / "long.csv"
    csv.field_size_limit(131_072)
    path.write_text(f"\nprompt,response\n\np,{'x' * 200_000}\n\n\n", encoding="utf-8")
    assert read_csv(path) == [("line 4", {"prompt": "p", "response": "x" * 200_000})]
    assert csv.field_size_limit() == 131_072


@given(st.lists(st.tuples(UTF_8_TEXT, st.lists(UTF_8_TEXT)), max_size=5))
def test_parquet_gives_back_texts_and_lists(folder: Path, rows: list[tuple[str, list[str]]]) -> None:
    path = folder / "any.parquet"
    schema = pa.schema([("prompt", pa.string()), ("responses", pa.list_(pa.string()))])
    columns = {"prompt": [prompt for prompt, _ in rows], "responses": [texts for _, texts in rows]}
    pq.write_table(pa.table(columns, schema=schema), path)
    assert [(row["prompt"], row["responses"]) for _, row in read_parquet(path)] == rows


@pytest.mark.parametrize(
    ("name", "content", "read", "message"),
    [
        ("a.jsonl", b'{"a": 1}\n{"a": ', read_jsonl, r"a\.jsonl, line 2: not JSON .*column 7"),
        ("a.jsonl", b'{"a": 1}\n\n[1]\n', read_jsonl, r"line 3: a JSON list; expected one JSON object"),
        ("a.jsonl", b'{"a": "\xff"}', read_jsonl, r"line 1: not UTF-8 \(byte 8\)"),
        ("a.jsonl", b"[" * 100_000, read_jsonl, "line 1: JSON that is nested too deeply"),
        ("a.jsonl", b'{"a": ' + b"9" * 5000 + b"}", read_jsonl, "line 1: not usable JSON"),
        ("a.csv", b"prompt,response\np,r\np,r,s\n", read_csv, "line 3: 3 fields, but the header has 2"),
        ("a.csv", b"a,b,a\n", read_csv, "line 1: the header names 'a' twice"),
        ("a.csv", b'a,b\np,"r', read_csv, "line 2: not CSV"),
        ("a.csv", b"a,b\np,\xff\n", read_csv, "not UTF-8"),
        ("a.parquet", b"PAR1 and nothing more", read_parquet, "not a Parquet file"),
    ],
)
def test_a_broken_file_is_one_error_with_its_place(
    tmp_path: Path, name: str, content: bytes, read: Callable[[Path], Any], message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DiversityEvalError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)

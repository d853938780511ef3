"""Records and base models' licences, as files that anybody may have written."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.checkpoints.licences import card_folder, license_fields
from diversity_eval.training.checkpoints.record import RECORD_FILE, read_record, write_record

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    @given(VALUES)
    def check(value: Any) -> None:
        if isinstance(value, str) and "=" in value:
            return  # may be taken for an argument with a secret
        write_record(tmp_path, "merged", {"value": value})
        assert read_record(tmp_path) == json.loads(
            json.dumps({"format": 1, "kind": "merged", "value": clean(value)})
        )

    check()


def clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [clean(each) for each in value]
    return {key: clean(each) for key, each in value.items()} if isinstance(value, dict) else value


def test_none_is_none(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "cannot be read"), (b"[]", "is not a record"), (b'{"format": 2}', "is not a record"),
        (b"\xff", "cannot be read"), (b"[" * 100_000, "cannot be read"), (b"null", "is not a record"),
    ],
)  # fmt: skip
def test_a_damaged_one(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / RECORD_FILE).write_bytes(content)
    with pytest.raises(DiversityEvalError, match=says):
        read_record(tmp_path)


@pytest.mark.parametrize(
    ("card", "fields"),
    [
        ("---\nlicense: mit\n---\n", {"license": "mit"}),
        ("---\r\nlicense: other\r\nlicense_name: x\r\n---\r\n# A", {"license": "other", "license_name": "x"}),
        ("---\nlicense: [a]\nlicense_link: ' '\n---\n", {}),
        ("---\nlicense: !!python/object/apply:os.system ['true']\n---\n", {}),
        ("---\nlicense: mit\n", {}),
        ("# no head\n---\nlicense: mit\n---\n", {}),
        ("---\n- a\n---\n", {}),
        ("", {}),
    ],
)
def test_the_licence_of_a_card(card: str, fields: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(card.encode())
    assert license_fields(tmp_path) == fields


def test_no_card(tmp_path: Path) -> None:
    assert license_fields(None) == license_fields(tmp_path) == {}
    (tmp_path / "README.md").write_bytes(b"---\nlicense: \xff\n---\n")
    assert license_fields(tmp_path) == {}
    assert card_folder("not a name of a model", None) is None
    assert card_folder(str(tmp_path), None) == tmp_path

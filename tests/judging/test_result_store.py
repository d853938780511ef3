"""What is particular to results; what holds of every store is in `test_store_file.py`."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.result_store import ResultStore, result_key


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ResultStore]:
    with ResultStore(tmp_path / "novelty.sqlite") as made:
        yield made


# Keys


def test_where_one_text_ends_and_the_next_begins_is_part_of_the_key() -> None:
    texts = [
        ("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc"), ("abc",), ("c", "ab"), (), ("",), ("", ""),
        ("a", "b", "c"), ("a\n1\nb",), ("a", "b"), ("a\n", "b"), ("a", "\nb"), ("ab", "c "), ("AB", "c"),
        ("a\x00", "b"), ("a", "\x00b"), ("\ud800",), ("\udfff",), ("?",), ("\ufffd",), ("é",), ("e\u0301",),
    ]  # fmt: skip
    keys = {result_key(signature, *entry) for entry in texts for signature in ("same|a:1", "same|a:2")}
    assert len(keys) == 2 * len(texts)
    assert all(len(key) == 64 for key in keys)


def test_a_key_is_what_it_was_in_earlier_versions() -> None:
    """Else every store would be worthless after an update."""
    plain = b"same|test:classifier\n4\n\xc3\xa9\xc3\xa9\n0\n"
    assert result_key("same|test:classifier", "éé", "") == hashlib.sha256(plain).hexdigest()


any_text = st.text(st.characters() | st.sampled_from("\ud800\udfff\x00\n0123"), max_size=8)
texts = st.lists(any_text, max_size=3).map(tuple)


@given(texts, texts)
def test_different_texts_have_different_keys(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert (result_key("s", *one) == result_key("s", *other)) == (one == other)


# Results


@given(
    st.lists(any_text, min_size=1, max_size=3),
    st.floats(allow_nan=False),
    st.tuples(st.booleans(), st.booleans()),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_what_was_put_is_got_again_to_the_last_digit(
    store: ResultStore, given_: list[str], number: float, cut: tuple[bool, bool]
) -> None:
    signature = f"same|at:{time.monotonic_ns()}"
    key = result_key(signature, *given_)
    store.put(signature, [(key, {"probability": number, "cut": cut})])
    with ResultStore(store.path) as other:  # as another process sees it
        assert other.get([key]) == {key: {"probability": number, "cut": list(cut)}}


def test_only_the_keys_asked_for_are_got_in_any_number(store: ResultStore) -> None:
    keys = [result_key("s", str(index)) for index in range(3_000)]
    store.put("s", [(key, {"number": index}) for index, key in enumerate(keys[:2_500])])
    assert store.count() == 2_500
    assert store.get([]) == {}
    assert store.get([keys[3], keys[1], keys[2_999], keys[3]]) == {
        keys[3]: {"number": 3},
        keys[1]: {"number": 1},
    }
    found = store.get(keys)  # more than SQLite takes in one statement
    assert [found[key]["number"] for key in keys[:2_500]] == list(range(2_500))
    assert len(found) == 2_500


def test_the_first_result_stays(store: ResultStore) -> None:
    store.put("s", [("k", {"number": 1}), ("k", {"number": 2})])
    store.put("s", [("k", {"number": 3}), ("l", {"number": 4})])
    assert store.get(["k", "l"]) == {"k": {"number": 1}, "l": {"number": 4}}


def test_a_batch_is_kept_as_a_whole_or_not_at_all(store: ResultStore) -> None:
    def batch() -> Iterator[tuple[str, dict[str, Any]]]:
        yield "a", {"number": 1}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.put("s", batch())
    with pytest.raises(TypeError):
        store.put("s", [("b", {"number": 1}), ("c", {"number": object()})])
    assert store.count() == 0
    store.put("s", [])
    store.put("s", [("a", {"number": 2})])
    assert store.get(["a", "b"]) == {"a": {"number": 2}}


def test_it_holds_no_text_and_is_small(store: ResultStore) -> None:
    secret = "a response that is nobody else's business"
    keys = [result_key("same|test:classifier", f"{secret} {index}", secret) for index in range(2_000)]
    store.put("same|test:classifier", [(key, {"probability": 1 / 3, "cut": (False, True)}) for key in keys])
    store.close()
    content = store.path.read_bytes()
    assert b"nobody" not in content
    assert len(content) < 2_000 * 300
    rows = sqlite3.connect(store.path).execute("SELECT signature, result, time FROM results").fetchall()
    assert {row[0] for row in rows} == {"same|test:classifier"}
    assert json.loads(rows[0][1]) == {"probability": 1 / 3, "cut": [False, True]}
    assert abs(rows[0][2] - time.time()) < 60


@pytest.mark.parametrize("content", ["", "{", "nonsense", "[" * 100_000, b"\xff\xfe", b"{\x80}"])
def test_a_result_that_was_tampered_with_is_told(store: ResultStore, content: str | bytes) -> None:
    store.put("s", [("good", {"number": 1})])
    store._db.execute("INSERT INTO results VALUES ('bad', 's', ?, 0)", (content,))
    assert store.get(["good"]) == {"good": {"number": 1}}
    with pytest.raises(DiversityEvalError, match=r"novelty\.sqlite: holds something that is no result"):
        store.get(["good", "bad"])

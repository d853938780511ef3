import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.store import VerdictStore, verdict_key
from diversity_eval.judging.verdict import Verdict, failed_verdict

RATED = Verdict(
    3,
    "Total rating: 3",
    expected_rating=2.9000000000000004,
    entropy=0.1 + 0.2,
    scale_mass=0.9999999999999999,
    probabilities=(0.1, 0.0, 1e-300, 0.7, 5e-324, 1 / 3),
)
UNSCORED = Verdict(None, "I cannot say.", "the reply holds no valid rating")


def store_in(folder: Path) -> VerdictStore:
    return VerdictStore(folder / "verdicts.sqlite")


def stored(store: VerdictStore, judge: str, prompt: str) -> Verdict | None:
    key = verdict_key(judge, prompt)
    return store.get([key]).get(key)


@pytest.mark.parametrize("verdict", [RATED, UNSCORED, Verdict(0), Verdict(5, "r" * 100_000)])
def test_what_was_put_is_got_again_also_by_another_process_later(tmp_path: Path, verdict: Verdict) -> None:
    with store_in(tmp_path) as store:
        store.put("judge|a:b", "prompt", verdict)
        assert stored(store, "judge|a:b", "prompt") == verdict
    with store_in(tmp_path) as again:
        assert stored(again, "judge|a:b", "prompt") == verdict
        assert again.counts() == (1, 0)


any_text = st.text(st.characters() | st.sampled_from("\ud800\udfff\x00"), max_size=50)


@given(
    any_text,
    any_text,
    any_text,
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=7).map(tuple),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_odd_text_and_any_float_survive(
    tmp_path: Path,
    prompt: str,
    reply: str,
    reason: str,
    number: float | None,
    numbers: tuple[float, ...] | None,
) -> None:
    """Characters include NUL and halves of surrogate pairs; the latter come back as question marks."""
    with store_in(tmp_path) as store:
        judge = f"judge{time.monotonic_ns()}"
        given_ = Verdict(2, reply, reason, False, number, number, number, numbers)
        store.put(judge, prompt, given_)
        store.put(f"{judge}-failed", prompt, failed_verdict(reason, reply))
        got = stored(store, judge, prompt)
        assert got is not None
        assert got.reply == reply.encode("utf-8", "replace").decode()
        assert got.reason == reason.encode("utf-8", "replace").decode()
        assert (got.expected_rating, got.entropy, got.scale_mass) == (number, number, number)
        assert got.probabilities == numbers


def test_keys_tell_judge_and_prompt_apart() -> None:
    pairs = [
        ("a", "b"),
        ("b", "a"),
        ("a", "b "),
        ("a", ""),
        ("", "a"),
        ("a", "\ud800"),
        ("a", "\udc00"),
        ("a", "\x00"),
    ]
    keys = {verdict_key(judge, prompt) for judge, prompt in pairs}
    assert len(keys) == len(pairs)
    assert all(len(key) == 64 for key in keys)
    # A signature is one line, so what a prompt holds cannot shift into it.
    assert verdict_key("judge|x:1", "\nprompt") != verdict_key("judge|x:1\n", "prompt")[:-1]


def test_only_the_keys_asked_for_are_got(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        for index in range(5):
            store.put("judge", f"p{index}", Verdict(index))
        keys = [verdict_key("judge", f"p{index}") for index in (3, 1, 9, 3)]
        assert store.get(keys) == {keys[0]: Verdict(3), keys[1]: Verdict(1)}
        assert store.get([]) == {}


def test_the_first_verdict_stays(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        store.put("judge", "p", Verdict(2, "first"))
        store.put("judge", "p", Verdict(4, "second"))
        store.put("judge", "p", UNSCORED)
        assert stored(store, "judge", "p") == Verdict(2, "first")
        store.put("judge", "q", UNSCORED)
        store.put("judge", "q", Verdict(4))
        assert stored(store, "judge", "q") == UNSCORED
        assert store.counts() == (2, 0)


def test_a_failure_is_kept_but_is_no_verdict(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        store.put("judge", "p", failed_verdict("HTTP 500", "<html>"))
        store.put("judge", "p", failed_verdict("HTTP 503", "<body>"))
        assert stored(store, "judge", "p") is None
        assert store.counts() == (0, 1)
        kept = (
            sqlite3.connect(store.path)
            .execute("SELECT judge, prompt, reply, reason FROM failures")
            .fetchall()
        )
        assert kept == [("judge", "p", "<body>", "HTTP 503")]


def test_a_verdict_takes_the_place_of_a_failure_never_the_other_way(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        store.put("judge", "p", failed_verdict("HTTP 500"))
        store.put("judge", "other", failed_verdict("HTTP 500"))
        store.put("judge", "p", RATED)
        assert stored(store, "judge", "p") == RATED
        assert store.counts() == (1, 1)
        store.put("judge", "p", failed_verdict("HTTP 500"))
        assert stored(store, "judge", "p") == RATED
        assert store.counts() == (1, 1)


def test_a_new_answer_takes_the_place_of_an_unscored_one_if_asked_to(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        for prompt, verdict in (("rated", RATED), ("zero", Verdict(0)), ("un", UNSCORED), ("kept", UNSCORED)):
            store.put("judge", prompt, verdict)
        for prompt in ("rated", "zero", "un", "new"):
            store.put("judge", prompt, Verdict(1), replace_unscored=True)
        assert stored(store, "judge", "rated") == RATED
        assert stored(store, "judge", "zero") == Verdict(0)
        assert stored(store, "judge", "un") == Verdict(1)
        assert stored(store, "judge", "new") == Verdict(1)
        assert stored(store, "judge", "kept") == UNSCORED
        again = Verdict(None, "Perhaps.", "the reply holds no valid rating")
        store.put("judge", "kept", again, replace_unscored=True)
        assert stored(store, "judge", "kept") == again
        store.put("judge", "kept", failed_verdict("HTTP 500"), replace_unscored=True)
        assert stored(store, "judge", "kept") == again
        assert store.counts() == (5, 0)


def test_prompt_and_reply_can_be_read_with_any_sqlite_tool(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        before = time.time()
        store.put("judge|x:y", "the prompt", UNSCORED)
        row = (
            sqlite3.connect(store.path)
            .execute("SELECT judge, prompt, reply, reason, time FROM verdicts")
            .fetchone()
        )
        assert row[:4] == ("judge|x:y", "the prompt", UNSCORED.reply, UNSCORED.reason)
        assert before - 1 <= row[4] <= time.time() + 1
        assert sqlite3.connect(store.path).execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_ten_thousand_verdicts_are_found_quickly(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        for index in range(10_000):
            store.put(
                "judge", f"prompt {index}", Verdict(index % 6, "Total rating: 1", probabilities=(0.1,) * 6)
            )
        keys = [verdict_key("judge", f"prompt {index}") for index in range(12_000)]
        started = time.process_time()
        found = store.get(keys)
        assert time.process_time() - started < 2
        assert len(found) == 10_000


def test_a_failure_on_a_full_disk_is_told(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        store.put("judge", "first", RATED)
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count={pages + 1}")
        with pytest.raises(DiversityEvalError, match="disk is full"):
            store.put("judge", "failure", failed_verdict("HTTP 500", "r" * 20_000))
        assert stored(store, "judge", "first") == RATED


def test_a_failure_s_table_that_an_interrupted_making_left_out_is_made(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        path = store.path
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA user_version=0")
        file.execute("DROP TABLE failures")
    with VerdictStore(path) as store:
        store.put("judge", "p", failed_verdict("HTTP 500"))
        assert store.counts() == (0, 1)


WRITER = """
import sys
from pathlib import Path
from diversity_eval.judging.store import VerdictStore
from diversity_eval.judging.verdict import Verdict, failed_verdict
store = VerdictStore(Path(sys.argv[1]))
for index in range(1_000_000):
    if index % 5 == 0:
        store.put("judge", f"p{index}", failed_verdict("HTTP 500"))
    store.put("judge", f"p{index}", Verdict(index % 6, f"reply {index}"))
    print(index, flush=True)
"""


def test_a_killed_writer_leaves_no_failure_beside_its_verdict(tmp_path: Path) -> None:
    for lines in (1, 40):
        path = tmp_path / f"{lines}.sqlite"
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(lines):
                assert process.stdout.readline()
            os.kill(process.pid, signal.SIGKILL)
            done = lines + process.stdout.read().count("\n")
        with VerdictStore(path) as store:
            verdicts, failures = store.counts()
            assert verdicts in (done, done + 1)
            assert failures <= 1

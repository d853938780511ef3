import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
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


def write_many(path: Path, worker: int, start: float) -> None:
    """Keys 0..299 are everybody's, in an order of one's own; 300 more are this worker's."""
    time.sleep(max(0.0, start - time.time()))
    with VerdictStore(path) as store:
        for index in range(300):
            shared = (index * (2 * worker + 1) + 75 * worker) % 300
            store.put("judge", f"shared {shared}", Verdict(shared % 6, f"by {worker}"))
            if index % 3 == 0:
                store.put("judge", f"fails first {worker} {index}", failed_verdict("HTTP 500"))
                store.put("judge", f"fails first {worker} {index}", Verdict(1))
            assert stored(store, "judge", f"shared {shared}") is not None


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.sqlite"
    spawn = multiprocessing.get_context("spawn")
    start = time.time() + 3  # all open the new file at the same moment
    workers = [spawn.Process(target=write_many, args=(path, worker, start)) for worker in range(4)]
    for process in workers:
        process.start()
    for process in workers:
        process.join(timeout=100)
    assert [process.exitcode for process in workers] == [0, 0, 0, 0]
    with VerdictStore(path) as store:
        assert store.counts() == (300 + 4 * 100, 0)
        found = store.get([verdict_key("judge", f"shared {index}") for index in range(300)])
        assert len(found) == 300
        assert [found[verdict_key("judge", f"shared {index}")].rating for index in range(300)] == [
            index % 6 for index in range(300)
        ]
        assert len({verdict.reply for verdict in found.values()}) > 1


OPENERS = """
import sys, time
from pathlib import Path
from diversity_eval.judging.store import VerdictStore
from diversity_eval.judging.verdict import Verdict
folder, start, who = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
time.sleep(max(0, start - time.time()))
for index in range(40):
    with VerdictStore(folder / f"{index}.sqlite") as store:
        store.put("judge", who, Verdict(1))
"""


def test_a_file_that_another_process_is_making_is_waited_for(tmp_path: Path) -> None:
    """The change to the write-ahead log fails at once where another process holds the lock."""
    path = tmp_path / "verdicts.sqlite"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    timer.start()
    with VerdictStore(path) as store:
        store.put("judge", "p", RATED)
        assert stored(store, "judge", "p") == RATED
    timer.join()
    other.close()


def test_many_processes_may_make_the_file_at_once(tmp_path: Path) -> None:
    start = str(time.time() + 2)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPENERS, str(tmp_path), start, str(who)], stderr=subprocess.PIPE, text=True
        )
        for who in range(4)
    ]
    errors = [process.communicate(timeout=100)[1] for process in processes]
    assert errors == [""] * 4
    for index in range(40):
        with VerdictStore(tmp_path / f"{index}.sqlite") as store:
            assert store.counts() == (4, 0)


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


def test_a_killed_writer_loses_nothing_that_was_put(tmp_path: Path) -> None:
    for lines in (1, 40, 333):
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
            keys = [verdict_key("judge", f"p{index}") for index in range(done)]
            found = store.get(keys)
            assert [found[key].reply for key in keys] == [f"reply {index}" for index in range(done)]
            verdicts, failures = store.counts()
            assert verdicts in (done, done + 1)
            assert failures <= 1
        assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def refused(path: Path, said: str) -> str:
    with pytest.raises(DiversityEvalError, match=said) as error:
        VerdictStore(path)
    assert str(path) in str(error.value)
    return str(error.value)


def test_what_is_no_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("Nothing to do with SQLite.\n" * 100)
    refused(text, "cannot be used.*name another file")
    assert text.read_text() == "Nothing to do with SQLite.\n" * 100
    refused(tmp_path, "cannot be used")
    refused(text / "below" / "verdicts.sqlite", "cannot be used")


def test_somebody_else_s_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "lm_eval_cache.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE unnamed (key TEXT, value BLOB)")
    before = path.read_bytes()
    refused(path, "another program")
    assert path.read_bytes() == before


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        store.put("judge", "p", RATED)
        path = store.path
    later = sqlite3.connect(path)
    later.execute("PRAGMA user_version=2")
    later.close()
    refused(path, "later version of diversity-eval.*update, or name another file")
    later = sqlite3.connect(path)
    later.execute("PRAGMA user_version=1")
    later.close()
    with VerdictStore(path) as store:
        assert stored(store, "judge", "p") == RATED


def test_a_file_whose_making_was_interrupted_is_finished(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        path = store.path
    for half in ("PRAGMA user_version=0", "DROP TABLE failures"):
        with sqlite3.connect(path) as file:
            file.execute("PRAGMA user_version=0")
            file.execute(half)
        with VerdictStore(path) as store:
            store.put("judge", "p", failed_verdict("HTTP 500"))
            assert store.counts() == (0, 1)
    (tmp_path / "empty.sqlite").touch()
    with VerdictStore(tmp_path / "empty.sqlite") as store:
        assert store.counts() == (0, 0)


def test_folders_are_made(tmp_path: Path) -> None:
    with VerdictStore(tmp_path / "a" / "b" / "verdicts.sqlite") as store:
        assert store.path.is_file()


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        store.put("judge", "first", RATED)
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count={pages + 1}")
        put = 0

        def fill() -> None:
            nonlocal put
            while True:
                store.put("judge", f"p{put}", Verdict(1, "r" * 500))
                put += 1

        with pytest.raises(DiversityEvalError, match=r"disk is full.*Free space.*start again") as error:
            fill()
        assert 0 < put < 100
        assert str(store.path) in str(error.value)
        with pytest.raises(DiversityEvalError, match="disk is full"):
            store.put("judge", "failure", failed_verdict("HTTP 500", "r" * 20_000))
        assert stored(store, "judge", "first") == RATED
        store._db.execute("PRAGMA max_page_count=1000000")
        store.put("judge", "after", RATED)
        assert stored(store, "judge", "after") == RATED
    with store_in(tmp_path) as again:
        assert stored(again, "judge", "first") == RATED
        assert all(stored(again, "judge", f"p{index}") is not None for index in range(put))
        assert stored(again, "judge", f"p{put}") is None


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


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.close()
    store.close()
    with pytest.raises(DiversityEvalError):
        store.put("judge", "p", RATED)

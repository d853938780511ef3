"""What holds of every store: several processes, killed ones, and files that are none."""

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

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.store_file import StoreFile
from tests.judging.store_kinds import KINDS, count, get, make_many, put, write_shared

Kind = type[StoreFile]


@pytest.fixture(params=KINDS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def kind(name: str) -> Kind:
    return KINDS[name]


def test_several_processes_write_at_once(tmp_path: Path, name: str, kind: Kind) -> None:
    path = tmp_path / "store.sqlite"
    spawn = multiprocessing.get_context("spawn")
    start = time.time() + 3  # all open the new file at the same moment
    workers = [spawn.Process(target=write_shared, args=(name, path, worker, start)) for worker in range(4)]
    for process in workers:
        process.start()
    for process in workers:
        process.join(timeout=100)
    assert [process.exitcode for process in workers] == [0, 0, 0, 0]
    with kind(path) as store:
        assert count(store) == 300 + 4 * 100
        found = get(store, [f"shared {index}" for index in range(300)])
        assert [entry and entry[0] for entry in found] == [index % 6 for index in range(300)]
        assert len({entry and entry[1] for entry in found}) > 1


def test_many_processes_may_make_the_file_at_once(tmp_path: Path, name: str, kind: Kind) -> None:
    spawn = multiprocessing.get_context("spawn")
    start = time.time() + 3
    workers = [spawn.Process(target=make_many, args=(name, tmp_path, who, start)) for who in range(4)]
    for process in workers:
        process.start()
    for process in workers:
        process.join(timeout=100)
    assert [process.exitcode for process in workers] == [0, 0, 0, 0]
    for index in range(40):
        with kind(tmp_path / f"{index}.sqlite") as store:
            assert count(store) == 4


def test_a_file_that_another_process_is_making_is_waited_for(tmp_path: Path, kind: Kind) -> None:
    """The change to the write-ahead log fails at once where another process holds the lock."""
    path = tmp_path / "store.sqlite"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    timer.start()
    with kind(path) as store:
        put(store, "p", "said", 3)
        assert get(store, ["p"]) == [(3, "said")]
    timer.join()
    other.close()


@pytest.mark.parametrize("lines", [1, 40, 333])
def test_a_killed_writer_loses_nothing_that_was_put(
    tmp_path: Path, name: str, kind: Kind, lines: int
) -> None:
    path = tmp_path / "store.sqlite"
    script = "import sys; from tests.judging.store_kinds import write_until_killed as w; w(*sys.argv[1:])"
    with subprocess.Popen(
        [sys.executable, "-c", script, name, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        for _ in range(lines):
            assert process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        done = lines + process.stdout.read().count("\n")
    with kind(path) as store:
        found = get(store, [f"text {index}" for index in range(done)])
        assert found == [(index % 6, f"reply {index}") for index in range(done)]
        assert count(store) in (done, done + 1)
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def refused(kind: Kind, path: Path, said: str) -> None:
    with pytest.raises(DiversityEvalError, match=said) as error:
        kind(path)
    assert str(path) in str(error.value)


def test_what_is_no_store_is_refused_and_left_alone(tmp_path: Path, kind: Kind) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("Nothing to do with SQLite.\n" * 100)
    refused(kind, text, "cannot be used.*name another file")
    assert text.read_text() == "Nothing to do with SQLite.\n" * 100
    refused(kind, tmp_path, "cannot be used")
    refused(kind, text / "below" / "store.sqlite", "cannot be used")


def test_somebody_else_s_database_is_refused_and_left_alone(tmp_path: Path, kind: Kind) -> None:
    path = tmp_path / "lm_eval_cache.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE unnamed (key TEXT, value BLOB)")
    before = path.read_bytes()
    refused(kind, path, "another program")
    assert path.read_bytes() == before


def test_the_other_store_s_file_is_refused_and_left_alone(tmp_path: Path, kind: Kind) -> None:
    path = tmp_path / "store.sqlite"
    (other,) = (cls for cls in KINDS.values() if cls is not kind)
    with other(path) as store:
        put(store, "p", "said")
    refused(kind, path, "another program")
    with other(path) as store:
        assert get(store, ["p"]) == [(1, "said")]


def test_a_file_of_a_later_version_is_refused(tmp_path: Path, kind: Kind) -> None:
    path = tmp_path / "store.sqlite"
    with kind(path) as store:
        put(store, "p", "said")
    for version in (2, 1):
        file = sqlite3.connect(path)
        file.execute(f"PRAGMA user_version={version}")
        file.close()
        if version == 2:
            refused(kind, path, "later version of diversity-eval.*update, or name another file")
    with kind(path) as store:
        assert get(store, ["p"]) == [(1, "said")]


def test_a_file_whose_making_was_interrupted_is_finished(tmp_path: Path, kind: Kind) -> None:
    path = tmp_path / "store.sqlite"
    with kind(path):
        pass
    for half in ("PRAGMA user_version=0", f"DROP TABLE {sorted(kind._tables)[0]}"):
        with sqlite3.connect(path) as file:
            file.execute("PRAGMA user_version=0")
            file.execute(half)
        with kind(path) as store:
            put(store, "p", half)
            assert count(store) == 1
    (tmp_path / "empty.sqlite").touch()
    with kind(tmp_path / "empty.sqlite") as store:
        assert count(store) == 0


def test_folders_are_made(tmp_path: Path, kind: Kind) -> None:
    with kind(tmp_path / "a" / "b" / "store.sqlite") as store:
        assert store.path.is_file()


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path, kind: Kind) -> None:
    path = tmp_path / "store.sqlite"
    with kind(path) as store:
        put(store, "first", "said")
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count={pages + 1}")
        done = 0

        def fill() -> None:
            nonlocal done
            while True:
                put(store, f"text {done}", "r" * 500)
                done += 1

        with pytest.raises(DiversityEvalError, match=r"disk is full.*Free space.*start again") as error:
            fill()
        assert 0 < done < 100
        assert str(path) in str(error.value)
        assert get(store, ["first", f"text {done}"]) == [(1, "said"), None]
        store._db.execute("PRAGMA max_page_count=1000000")
        put(store, "after", "said")
    with kind(path) as again:
        assert get(again, [f"text {index}" for index in range(done)]) == [(1, "r" * 500)] * done
        assert get(again, [f"text {done}", "after"]) == [None, (1, "said")]


def test_a_closed_store_says_so(tmp_path: Path, kind: Kind) -> None:
    store = kind(tmp_path / "store.sqlite")
    store.close()
    store.close()
    with pytest.raises(DiversityEvalError):
        put(store, "p", "said")

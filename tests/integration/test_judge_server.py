"""Thousands of ratings by a judge that fails a third of the time, by processes that are killed or compete."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from diversity_eval.judging.backends.server import ServerBackend
from diversity_eval.judging.config import JudgeConfig, Mode
from diversity_eval.judging.rater import Rater, Rating
from diversity_eval.judging.rubric import load_rubric
from diversity_eval.judging.store import VerdictStore
from diversity_eval.judging.verdict import Verdict
from tests.judging.faulty_judge import CHECK, FaultyJudge, running, true_distribution, true_rating

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parent.parent.parent
CONCURRENCY = 16
ITEMS = [Rating("story", "It rained.", f"Ending number {n}.") for n in range(2000)]
# A process is started from one that has imported everything: twenty cold starts would take a minute.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["openai", "openai.resources.chat", "jinja2.sandbox", __name__])


def config(url: str, mode: Mode, timeout: float = 3.0) -> JudgeConfig:
    return JudgeConfig(
        "tested", "server", "m", {"*": load_rubric("story")},
        mode=mode, base_url=(url,), timeout=timeout, concurrency=CONCURRENCY,
    )  # fmt: skip


def prompts_of(items: Sequence[Rating]) -> list[str]:
    rubric = load_rubric("story")
    return [rubric.render(item.prompt, item.response, lowest=0, highest=5) for item in items]


def rate(url: str, mode: Mode, path: Path, items: Sequence[Rating], timeout: float = 3.0) -> list[Verdict]:
    """What a command does with a judge and a store, with quick retries."""
    rater = Rater(
        config(url, mode, timeout),
        VerdictStore(path),
        open_with=lambda config: ServerBackend(config, first_wait=0.005),
        progress=False,
    )
    try:
        return rater.rate(items)
    finally:
        rater.close()


def rate_from(url: str, mode: Mode, path: Path, first: int, count: int) -> None:
    """A process's work: all items in a row that begins with `first`."""
    items = ITEMS[:count]
    rate(url, mode, path, [*items[first:], *items[:first]], timeout=20)


def start(judge: FaultyJudge, path: Path, *, first: int = 0, count: int = len(ITEMS)) -> BaseProcess:
    process = PROCESSES.Process(target=rate_from, args=(judge.url, "rate", path, first, count))
    process.start()
    return process


def assert_complete(path: Path, count: int) -> None:
    """Every item has one row, and in it the judge's own rating."""
    prompts = prompts_of(ITEMS[:count])
    with VerdictStore(path) as store:
        assert store.counts() == (count, 0)
    verdicts = rate("http://127.0.0.1:9/v1", "rate", path, ITEMS[:count])  # nobody answers there
    assert [verdict.rating for verdict in verdicts] == [true_rating(prompt) for prompt in prompts]


def answers(judge: FaultyJudge) -> list[int]:
    """How often each prompt got a good answer."""
    with judge.lock:  # it goes on answering
        return [count for prompt, count in judge.answered.items() if CHECK not in prompt]


@pytest.mark.parametrize("mode", ["generate", "rate"])
def test_a_server_that_fails_a_third_of_the_time(mode: Mode, tmp_path: Path) -> None:
    with running(FaultyJudge(rate=1 / 3, seed=11)) as judge:
        verdicts = rate(judge.url, mode, tmp_path / "verdicts.sqlite", ITEMS)
    prompts = prompts_of(ITEMS)
    assert [verdict.rating for verdict in verdicts] == [true_rating(prompt) for prompt in prompts]
    if mode == "rate":
        for prompt, verdict in zip(prompts, verdicts, strict=True):
            assert verdict.probabilities == pytest.approx(
                [share / 0.9 for share in true_distribution(prompt)]
            )
    with VerdictStore(tmp_path / "verdicts.sqlite") as store:
        assert store.counts() == (len(ITEMS), 0)
    assert answers(judge) == [1] * len(ITEMS)
    # A third of the requests went wrong, so the retries are what brought the rest in.
    assert sum(judge.requests.values()) > 1.4 * len(ITEMS)


def test_killed_twenty_times_and_started_again(tmp_path: Path) -> None:
    draw = random.Random(20)
    path = tmp_path / "verdicts.sqlite"
    kills = 0
    with running(FaultyJudge(rate=0.2, seed=12, faults=["500", "reset", "half json", "nan"])) as judge:
        while kills < 20:
            moment = sum(answers(judge)) + draw.randint(0, 90)
            process = start(judge, path)
            while sum(answers(judge)) < moment and process.is_alive():
                time.sleep(0.001)
            time.sleep(draw.uniform(0, 0.05))
            assert process.is_alive(), "it had finished before it could be killed"
            process.kill()
            process.join()
            assert process.exitcode == -signal.SIGKILL
            kills += 1
        before = sum(answers(judge))
        assert before < len(ITEMS)
        process = start(judge, path)
        process.join()
        assert process.exitcode == 0
    assert_complete(path, len(ITEMS))
    again = sum(count - 1 for count in answers(judge))
    assert again <= kills * CONCURRENCY
    assert len(answers(judge)) == len(ITEMS)


def test_two_processes_share_one_store(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.sqlite"
    with running(FaultyJudge(rate=0.2, seed=13, faults=["500", "reset"])) as judge:
        processes = [start(judge, path, first=first, count=400) for first in (0, 200)]
        for process in processes:
            process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert_complete(path, 400)


def test_an_interrupt_leaves_cleanly(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.sqlite"
    script = (
        "import signal, sys; from pathlib import Path; from tests.integration import test_judge_server as t; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "  # a job in the background ignores it
        "t.rate_from(sys.argv[1], 'rate', Path(sys.argv[2]), 0, 2000)"
    )
    with running(FaultyJudge(slow=0.02)) as judge:
        process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-c", script, judge.url, str(path)],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while sum(answers(judge)) < 100 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        answered = len(answers(judge))
    assert process.returncode not in (0, None)
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert said.count("Traceback") == 1, said
    for noise in (
        "Task was destroyed",
        "never retrieved",
        "never awaited",
        "ResourceWarning",
        "Exception ignored",
    ):
        assert noise not in said
    with VerdictStore(path) as store:
        kept, failed = store.counts()
    assert failed == 0
    # Answers on their way when the interrupt came may be lost, no more.
    assert answered - CONCURRENCY <= kept <= answered

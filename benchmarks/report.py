"""A report on many runs: how long, how large, how soon usable; and the bootstrap against a loop.

    python benchmarks/report.py [--runs 60]

60 runs of 229 prompts (100 stories, 129 instructions) with 10 responses each,
in lm-eval's layout. The responses
are made up word by word from real ones (data/responses.jsonl), so that they are as long and compress as
well; the
values of 5 metrics a task are drawn. Then the `report` command as a user calls it: its time and memory,
the size of
the page, and in a headless Chromium the time from opening the file to the first sort being drawn (median
of 3).
Then 10,000 resamples of 60 x 10 columns of 229 values, ours against a loop over columns and resamples with
numpy
(the first 3 columns, times 200). Limits: 20 s, 2 GB, 25 MB, 2 s, 50x. Ends in one JSON line; exits with
status 1
if a limit is missed.
"""

import argparse
import itertools
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from diversity_eval.metrics.statistics import bootstrap_ci, bootstrap_cis
from tests.report.runs import write_run

SECONDS, GIGABYTES, MEGABYTES, USABLE, TIMES = 20.0, 2.0, 25.0, 2.0, 50.0
TASKS = {"short_stories": 100, "small_prompts": 129}
LOOPED = 3


class Writer:
    """Texts in which each word follows the one before it as often as in the real responses."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._after: dict[str, list[str]] = defaultdict(list)
        self._first: list[str] = []
        self._lengths: list[int] = []
        source = Path(__file__).parent / "data" / "responses.jsonl"
        for line in source.read_text(encoding="utf-8").splitlines():
            for text in json.loads(line)["responses"]:
                words = text.split(" ")
                self._lengths.append(len(words))
                self._first.append(words[0])
                for word, following in itertools.pairwise(words):
                    self._after[word].append(following)

    def text(self) -> str:
        words = [self._draw.choice(self._first)]
        for _ in range(self._draw.choice(self._lengths)):
            words.append(self._draw.choice(self._after.get(words[-1]) or self._first))
        return " ".join(words)


def write_runs(folder: Path, runs: int) -> int:
    """Writes the runs; returns the responses' bytes."""
    writer, size = Writer(1), 0
    generator = np.random.default_rng(2)
    hard = {task: generator.normal(0, 4, count) for task, count in TASKS.items()}
    losses = ("base", "ce", "focal", "gem", "pr", "tofu")
    for number in range(runs):
        name = f"model{number // 6}-{losses[number % 6]}"
        for minute, (task, count) in enumerate(TASKS.items()):
            bleu = 12 + number % 6 + hard[task] + generator.normal(0, 3, count)
            values = {
                "self_bleu": bleu.tolist(),
                "quality": np.clip(generator.normal(4.2, 0.4, count), 0, 5).tolist(),
                **{f"other_{n}": generator.random(count).tolist() for n in range(3)},
            }
            responses = [[writer.text() for _ in range(10)] for _ in range(count)]
            size += sum(len(text.encode()) for texts in responses for text in texts)
            write_run(folder / name, f"org/{name}", values, task=task,
            time=f"2026-11-26T10-{minute:02}-00.000001",
                      responses=responses)  # fmt: skip
    return size


def usable(page: Path) -> float:
    """Seconds from opening to the first sort being drawn."""
    from playwright.sync_api import sync_playwright

    found = []
    with sync_playwright() as playwright:
        path = os.environ.get("DIVERSITY_EVAL_CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for _ in range(3):
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            started = time.perf_counter()
            tab.goto(f"file://{page}")
            tab.locator("#board thead button", has_text="Self-BLEU").first.click()
            tab.wait_for_selector("#board th[aria-sort=ascending]")
            tab.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            found.append(time.perf_counter() - started)
            tab.close()
        browser.close()
    return statistics.median(found)


def bootstrap() -> tuple[float, float]:
    """Seconds of ours, and of the loop for as many columns."""
    values = np.random.default_rng(3).normal(size=(229, 600))
    bootstrap_ci([1.0, 2.0], seed=0)
    started = time.perf_counter()
    bootstrap_cis(values, seed=0)
    ours = time.perf_counter() - started
    started = time.perf_counter()
    for place in range(LOOPED):
        column = values[:, place]
        generator = np.random.default_rng(0)
        means = [column[generator.integers(229, size=229)].mean() for _ in range(10_000)]
        np.quantile(means, [0.025, 0.975])
    return ours, (time.perf_counter() - started) * 600 / LOOPED


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=60)
    count = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = write_runs(folder / "runs", count)
        print(f"{count} runs written, {size / 1e6:.1f} MB of responses", flush=True)
        page = folder / "report.html"
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", "from diversity_eval.cli import main; main()", "report",
            str(folder / "runs"), "-o", str(page)],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        seconds = time.perf_counter() - started
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
        megabytes = page.stat().st_size / 1e6
        beside = page.with_name("report.responses.jsonl.gz")
        print(f"report: {seconds:.1f} s, {memory:.2f} GB, page {megabytes:.1f} MB", flush=True)
        sorted_after = usable(page)
        print(f"usable after {sorted_after:.2f} s", flush=True)
        ours, loop = bootstrap()
        result = {
            "runs": count, "response_megabytes": round(size / 1e6, 1), "seconds": round(seconds, 1),
            "peak_gigabytes": round(memory, 2), "page_megabytes": round(megabytes, 1),
            "beside_megabytes": round(beside.stat().st_size / 1e6, 1) if beside.exists() else 0,
            "usable_seconds": round(sorted_after, 2), "bootstrap_seconds": round(ours, 2),
            "loop_seconds": round(loop, 1), "bootstrap_ratio": round(loop / ours, 1),
        }  # fmt: skip
    print(json.dumps(result))
    kept = (
        seconds <= SECONDS and memory <= GIGABYTES and megabytes <= MEGABYTES and sorted_after <= USABLE
        and loop / ours >= TIMES
    )  # fmt: skip
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())

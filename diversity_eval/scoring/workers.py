"""The diversity metrics of many prompts, computed here or in several processes at once."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from diversity_eval.metrics.prompt_metrics import diversity_metrics

__all__ = ["Measure", "measure_here", "metric_workers"]

Measure = Callable[[Sequence[tuple[Sequence[str], Any]]], Iterable[dict[str, float]]]
"""From (responses, embeddings or None) of each prompt to its metrics, in the same order."""

_WORTH_IT = 200  # prompts for each process: one takes about a second to start
_MOST = 8
_AT_ONCE = 25


def measure_here(prompts: Sequence[tuple[Sequence[str], Any]]) -> Iterator[dict[str, float]]:
    """The diversity metrics of each prompt, one after the other."""
    return (diversity_metrics(responses, embeddings) for responses, embeddings in prompts)


@contextmanager
def metric_workers(prompts: int, *, most: int | None = None) -> Iterator[Measure]:
    """A `Measure` for about so many prompts, which uses the machine's cores where that is quicker.

    The processes begin to load at once, while the caller has something else to do. They are new ones,
    not forks: a fork of a process in which a judge runs can hang.

    Args:
        prompts: how many will be measured.
        most: processes at the most; the number of cores, up to 8, if not said.
    """
    count = min(most or min(os.cpu_count() or 1, _MOST), prompts // _WORTH_IT)
    if count < 2:
        yield measure_here
        return
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_prepare)
    try:
        for _ in range(count):
            pool.submit(os.getpid)  # a process is started when there is something for it to do

        def measure(given: Sequence[tuple[Sequence[str], Any]]) -> Iterator[dict[str, float]]:
            return pool.map(_measured, given, chunksize=_AT_ONCE)

        yield measure
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare() -> None:
    # Ctrl-C is the caller's to handle; it reaches all processes of a terminal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    diversity_metrics(["one response", "another response"])


def _measured(prompt: tuple[Sequence[str], Any]) -> dict[str, float]:
    return diversity_metrics(*prompt)

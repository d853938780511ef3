"""Comparisons that go wrong in a worker, each in its own way; the answer says in which."""

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["CALLS", "compare", "unloadable"]

CALLS = "DIVERSITY_EVAL_TEST_CALLS"
"""The environment variable that names a folder in which each call leaves a file."""


class Unsendable(Exception):  # noqa: N818
    """An exception that can't be pickled."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


def compare(reference: str, answer: str) -> bool:
    """Two texts that differ in case only are equal."""
    if folder := os.environ.get(CALLS):
        Path(folder, f"{os.getpid()}-{time.monotonic_ns()}").write_text(answer, encoding="utf-8")
    kind = answer.split()[0]
    if kind == "hang":
        while True:
            time.sleep(1)
    if kind == "busy":  # one operation of C code, which no Python signal handler interrupts
        return bool(3 ** int(1e9) < 0)
    if kind == "exit":
        os._exit(3)
    if kind == "segfault":
        ctypes.string_at(0)
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "raise":
        raise Unsendable
    if kind == "quit":
        raise SystemExit(0)
    if kind == "memory":
        return len(bytearray(1 << 40)) == 0
    if kind == "swallow":  # what sympy does
        try:
            grown = bytearray(1 << 20)
            while True:
                grown += grown
        except MemoryError:
            return False
    if kind == "recurse":
        return compare(reference, answer)
    return answer.lower() == reference


def _fail() -> None:
    raise ImportError


class _Unloadable:
    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return _fail, ()

    def __call__(self, reference: str, answer: str) -> bool:
        raise AssertionError


unloadable = _Unloadable()
"""A comparison that no worker can load: each dies before it has begun."""

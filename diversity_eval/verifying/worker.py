"""What runs in a worker process: math-verify on one pair, under limits that the process sets for itself."""

import logging
import os
import re
import signal
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["OUT_OF_MEMORY", "Compare", "Outcome", "attempt", "compare", "prepare"]

Compare = Callable[[str, str], bool]
"""From (reference, answer), the contents of two boxes, to whether they are equal."""

Outcome = tuple[bool | None, str]
"""Whether they are equal; None if that could not be decided, with the reason."""

OUT_OF_MEMORY = 77
"""The exit status of a worker whose last comparison came near the memory limit and found nothing equal."""

_PEAK = re.compile(r"VmPeak:\s*(\d+) kB")
_GIB = 1024**3
_LATER = 5.0  # seconds
_SMALL = 1e-3
_CLOSE = 1e-5
_suspicious = sys.maxsize  # bytes of address space


def prepare(memory_limit: int) -> None:
    """Load math-verify and set the limits; called once, when the process has started.

    Args:
        memory_limit: bytes of address space that comparisons may take beyond what the process has already.
    """
    global _suspicious
    # Nothing here is parallel.
    os.environ["OMP_NUM_THREADS"] = "1"
    # Ctrl-C is the caller's to handle. Without a handler of SIGTERM, a process that is inside one long
    # operation of C code ends at once when it is told to; else the pool, and all others with it, would wait.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # math-verify warns that its own time limit is off: the caller has a better one.
    for name in ("math_verify", "latex2sympy2_extended"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # math-verify and sympy take a RecursionError for "not equal". A stack overflow ends the process instead,
    # which is seen and told.
    sys.setrecursionlimit(1_000_000)
    parse_in_two_stages()
    compare("1", "\\frac{2}{2}")
    used = _peak()
    _suspicious = used + memory_limit // 2
    _limit_memory((used or _GIB) + memory_limit)


def parse_in_two_stages() -> None:
    """Have the LaTeX parser try its quick prediction first, and the full one where that finds an error.

    It is what ANTLR's authors advise (Parr, Harwell and Fisher 2014, "Adaptive LL(*) Parsing"): SLL
    prediction gives the same tree as LL or a syntax error. Half of all time went into LL's. Of this process
    only; a parser without the method that is replaced stays as it is.
    """
    from antlr4.atn.PredictionMode import PredictionMode
    from latex2sympy2_extended import latex2sympy2

    parser = latex2sympy2.PSParser
    whole = getattr(parser, "math", None)
    if whole is None:
        return

    def math(self: Any) -> Any:
        self._interp.predictionMode = PredictionMode.SLL
        try:
            return whole(self)
        except Exception:  # the parser's listener raises no other kind
            self.reset()
            self._interp.predictionMode = PredictionMode.LL
            return whole(self)

    parser.math = math


def _limit_memory(limit: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    except (ValueError, OSError):  # macOS knows the limit but can't set it
        return


def attempt(compare: Compare, reference: str, answer: str, time_limit: float) -> Outcome:
    """The outcome of `compare`, whatever it raises.

    Exceptions are told as text: not every exception can be sent to another process.
    """
    # The pool ends what takes too long. Should the caller die first, nobody would.
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, time_limit + _LATER)
    try:
        return bool(compare(reference, answer)), ""
    except MemoryError:
        return None, "memory limit"
    except RecursionError:
        return None, "nested too deep"
    except (
        BaseException
    ) as error:  # also what only means to end the process, and math-verify's TimeoutException
        return None, f"{type(error).__name__} while comparing"
    finally:
        if sys.platform != "win32":
            signal.setitimer(signal.ITIMER_REAL, 0)


def compare(reference: str, answer: str) -> bool:
    """Whether `answer` equals `reference` in math-verify's sense; both are the content of a box.

    Raises whatever parsing and comparing raise.
    """
    from math_verify import verify

    before = _peak()
    expected, found = _parsed_reference(reference), _parse(answer)
    equal = bool(verify(expected, found, timeout_seconds=None, raise_on_error=True))
    # math-verify takes a MemoryError for "not equal". A process can't lower its peak again, so it ends.
    if not equal and _peak() > max(before, _suspicious):
        os._exit(OUT_OF_MEMORY)
    return equal and not _small_and_different(expected, found)


def _small_and_different(expected: list[Any], found: list[Any]) -> bool:
    """Whether these are two numbers that are equal only because they are rounded to six decimals."""
    try:
        a, b = (float(getattr(values[0], "rhs", values[0])) for values in (expected, found))
    except Exception:  # no numbers
        return False
    return max(abs(a), abs(b)) < _SMALL and abs(a - b) > _CLOSE * max(abs(a), abs(b))


def _parse(text: str) -> list[Any]:
    from math_verify import LatexExtractionConfig, parse

    # By default math-verify goes on looking where a box can't be parsed, and takes any number in it.
    return list(
        parse(
            f"\\boxed{{{text}}}",
            extraction_config=[LatexExtractionConfig(boxed_match_priority=0)],
            extraction_mode="first_match",
            parsing_timeout=None,
            raise_on_error=True,
        )
    )


_parsed_reference = lru_cache(maxsize=1000)(_parse)


def _peak() -> int:
    """The most address space that the process has ever had, in bytes; 0 where that can't be read."""
    try:
        found = _PEAK.search(Path("/proc/self/status").read_text("ascii", errors="replace"))
    except OSError:
        return 0
    return int(found.group(1)) * 1024 if found else 0

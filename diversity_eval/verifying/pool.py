"""Many comparisons in worker processes, of which any may hang or die."""

import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib.util import find_spec
from multiprocessing import current_process, get_context
from types import FrameType
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.verifying.worker import OUT_OF_MEMORY, Compare, Outcome, attempt, prepare

__all__ = ["ComparisonPool"]

_NEEDED = {"math_verify": "math-verify", "pebble": "pebble"}
_RUNNING = 32  # comparisons handed to the pool at once, for each worker: a worker should never wait for one
_LOOK = 0.5  # seconds
_STUCK = 120.0  # seconds, beyond the time limit: longer than any worker needs to start
_TRIES = 3
_SETTLE = 2.0  # seconds: as long as a worker needs to begin


class ComparisonPool:
    """Worker processes that start when the first comparison comes.

    The processes are new ones (spawned), not forks: a fork of a process with threads or CUDA can hang. A
    fork of the caller gets processes of its own, and leaves the caller's alone.

    Args:
        compare: what is called with (reference, answer) in a worker; a function of a module.
        workers: the number of processes.
        time_limit: seconds that one comparison may take; then its process is killed and replaced.
        memory_limit: bytes that comparisons in one process may take.
    """

    def __init__(self, compare: Compare, *, workers: int, time_limit: float, memory_limit: int) -> None:
        self._compare = compare
        self._workers = workers
        self._time_limit = time_limit
        self._memory_limit = memory_limit
        self._pool: Any = None
        self._owner = 0  # the process that opened the pool
        self._replaced = 0.0  # when a worker was last found dead, on the monotonic clock

    def compare_all(self, pairs: Sequence[tuple[str, str]], tell: Callable[[int, Outcome], None]) -> None:
        """Compare every (reference, answer); `tell` gets each one's place and outcome, in any order.

        Raises:
            DiversityEvalError: the workers can't be started, or math-verify or pebble is not installed.
        """
        try:
            with _held_interrupts() as look:
                self._compare_all(pairs, tell, look)
        except BaseException:  # Ctrl-C too: no worker outlives the call that needed it
            self.close()
            raise

    def _compare_all(
        self,
        pairs: Sequence[tuple[str, str]],
        tell: Callable[[int, Outcome], None],
        look: Callable[[], None],
    ) -> None:
        waiting = deque(range(len(pairs)))
        running: dict[Any, int] = {}
        finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
        failures, last = 0, time.monotonic()
        while waiting or running:
            look()
            pool = self._open()
            broken = False
            try:
                while waiting and len(running) < _RUNNING * self._workers:
                    task = pool.schedule(
                        attempt,
                        args=(self._compare, *pairs[waiting[0]], self._time_limit),
                        timeout=self._time_limit,
                    )
                    running[task] = waiting.popleft()
                    task.add_done_callback(finished.put)
                task = finished.get(timeout=_LOOK)
            except queue.Empty:
                broken = not pool.active or time.monotonic() - last > self._time_limit + _STUCK
            except (BrokenProcessPool, RuntimeError):  # the pool takes nothing more
                broken = True
            else:
                if task not in running:  # of a pool that was given up
                    continue
                outcome = self._outcome(task)
                if outcome is not None:
                    if outcome[0] is None:
                        self._replaced = time.monotonic()
                    tell(running.pop(task), outcome)
                    failures, last = 0, time.monotonic()
                broken = outcome is None
            if broken:
                # A worker died while it had nothing to do. What the pool has not told yet is asked again.
                failures += 1
                if failures == _TRIES:
                    raise DiversityEvalError(
                        f"verifying: the worker processes ended {_TRIES} times in a row without an answer; "
                        'a script that verifies needs `if __name__ == "__main__":` around what it does, '
                        "and there has to be enough memory to load sympy"
                    )
                waiting.extendleft(sorted(running.values(), reverse=True))
                running.clear()
                self.close()
                last = time.monotonic()

    def _outcome(self, task: Any) -> Outcome | None:
        """The outcome of a finished comparison; None if the whole pool broke."""
        from pebble import ProcessExpired

        try:
            outcome: Outcome = task.result()
        except FutureTimeoutError:
            return None, f"time limit ({self._time_limit:g} s)"
        except ProcessExpired as error:
            return None, "memory limit" if error.exitcode == OUT_OF_MEMORY else "the worker process died"
        except BrokenProcessPool:
            return None
        return outcome

    def _open(self) -> Any:
        self._forget_another_s()
        if self._pool is None:
            missing = [name for module, name in _NEEDED.items() if find_spec(module) is None]
            if missing:
                raise DiversityEvalError(
                    f"verifying needs {' and '.join(missing)}; run: pip install {' '.join(missing)}"
                )
            from pebble import ProcessPool

            # Python forbids children to the processes of a `multiprocessing.Pool`, since they would outlive
            # them. These end with their caller: what they read from is closed then, and a comparison that
            # runs has its limit.
            if (own := current_process()).daemon:
                own.daemon = False
            self._owner = os.getpid()
            self._pool = ProcessPool(
                max_workers=self._workers,
                initializer=prepare,
                initargs=(self._memory_limit,),
                context=get_context("spawn"),
            )
        return self._pool

    def _forget_another_s(self) -> None:
        if self._pool is not None and self._owner != os.getpid():
            self._pool = None

    def close(self) -> None:
        """End the processes; whatever they are doing is given up."""
        self._forget_another_s()
        pool, self._pool = self._pool, None
        if pool is not None:
            # A worker that takes another's place and finds nobody there any more says so, at length.
            time.sleep(max(0.0, self._replaced + _SETTLE - time.monotonic()))
            pool.stop()
            pool.join()


@contextmanager
def _held_interrupts() -> Iterator[Callable[[], None]]:
    """Let Ctrl-C wait until the function that this gives is called, which then does what it would have done.

    In the middle of the pool's own work it could leave a lock locked, for which closing the pool would wait.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone gets signals
        yield lambda: None
        return
    came: list[tuple[int, FrameType | None]] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))

    def look() -> None:
        if came and callable(before):
            before(*came.pop())

    try:
        yield look
        look()
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.SIG_DFL)

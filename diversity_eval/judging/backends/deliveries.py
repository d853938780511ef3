"""Work on an event loop whose results are dealt with in the thread that asked for them."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["Deliver", "run_with_deliveries"]

_Result = TypeVar("_Result")
Deliver = Callable[[int, _Result], Awaitable[None]]


def run_with_deliveries(
    work: Callable[[Deliver[_Result]], Coroutine[Any, Any, None]], on_result: Callable[[int, _Result], None]
) -> None:
    """Run a coroutine to its end, handing its results to the calling thread.

    The event loop has a thread of its own, so this also works where the calling thread runs one (Jupyter).
    `await deliver(i, result)` inside the coroutine returns when `on_result(i, result)` has, in the calling
    thread: a worker that delivers before it goes on has at most one result that is not dealt with.

    On an interrupt, or when `on_result` raises, the coroutine is cancelled and its clean-up awaited; after
    an interrupt the results that were already there are still handed over. What `work` raises is raised.
    """
    arrivals: queue.SimpleQueue[tuple[int, _Result, asyncio.Future[None]] | None] = queue.SimpleQueue()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []
    failures: list[BaseException] = []
    stopped = threading.Event()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        running.append((loop, task))

        async def deliver(index: int, result: _Result) -> None:
            dealt_with: asyncio.Future[None] = loop.create_future()
            arrivals.put((index, result, dealt_with))
            await dealt_with

        if not stopped.is_set():
            await work(deliver)

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # carried to the calling thread, where it is raised
            failures.append(error)
        finally:
            arrivals.put(None)

    thread = threading.Thread(target=run, name="judge requests", daemon=True)
    thread.start()
    try:
        while (arrival := arrivals.get()) is not None:
            index, result, dealt_with = arrival
            on_result(index, result)
            _tell(dealt_with)
    except BaseException as error:
        stopped.set()
        for loop, task in running:
            with contextlib.suppress(RuntimeError):  # the loop has just ended by itself
                loop.call_soon_threadsafe(task.cancel)
        while (arrival := arrivals.get()) is not None:
            if isinstance(error, KeyboardInterrupt):
                on_result(arrival[0], arrival[1])
        raise
    finally:
        thread.join()
    if failures:
        raise failures[0]


def _tell(dealt_with: "asyncio.Future[None]") -> None:
    def set_result() -> None:
        if not dealt_with.done():
            dealt_with.set_result(None)

    with contextlib.suppress(RuntimeError):  # the loop has ended: the work was cancelled or failed
        dealt_with.get_loop().call_soon_threadsafe(set_result)

"""Results from an event loop, dealt with in the calling thread."""

import asyncio
import threading

import pytest

from diversity_eval.judging.backends.deliveries import Deliver, run_with_deliveries


def test_a_worker_goes_on_when_its_result_is_dealt_with() -> None:
    events: list[str] = []

    async def work(deliver: Deliver[str]) -> None:
        for number in range(3):
            await deliver(number, f"result {number}")
            events.append(f"on after {number}")

    run_with_deliveries(work, lambda number, result: events.append(result))
    expected = [event for n in range(3) for event in (f"result {n}", f"on after {n}")]
    assert events == expected


def test_the_loop_is_in_another_thread_and_the_thread_is_gone_afterwards() -> None:
    threads: list[threading.Thread] = []

    async def work(deliver: Deliver[None]) -> None:
        threads.append(threading.current_thread())
        await deliver(0, None)

    run_with_deliveries(work, lambda number, result: threads.append(threading.current_thread()))
    inside, outside = threads
    assert outside is threading.current_thread()
    assert inside is not outside
    assert not inside.is_alive()


def test_an_error_of_the_work_is_raised_after_what_came_before_it() -> None:
    results: list[str] = []

    async def work(deliver: Deliver[str]) -> None:
        await deliver(0, "first")
        raise LookupError("broken")

    with pytest.raises(LookupError, match="broken"):
        run_with_deliveries(work, lambda number, result: results.append(result))
    assert results == ["first"]


@pytest.mark.parametrize(("kind", "handed_over"), [(KeyboardInterrupt, [0, 1, 2]), (LookupError, [0])])
def test_the_work_is_cancelled_and_cleans_up(kind: type[BaseException], handed_over: list[int]) -> None:
    """After an interrupt, results that are there are still taken; where taking them fails, they are not."""
    results: list[int] = []
    cleaned: list[int] = []
    all_there = threading.Event()

    async def worker(deliver: Deliver[None], number: int) -> None:
        try:
            if number == 2:
                asyncio.get_running_loop().call_soon(all_there.set)
            await deliver(number, None)
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            cleaned.append(number)

    async def work(deliver: Deliver[None]) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(worker(deliver, number))

    def take(number: int, result: None) -> None:
        assert all_there.wait(10)
        results.append(number)
        if len(results) == 1:
            raise kind

    with pytest.raises(kind):
        run_with_deliveries(work, take)
    assert sorted(results) == handed_over
    assert sorted(cleaned) == [0, 1, 2]

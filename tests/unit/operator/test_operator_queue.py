"""The work queue: each key waits once, is worked on by one at a time, and comes back at its deadline."""

import asyncio

import pytest

from edgemodel_operator.queue import KeyedQueue

SOON = 0.02


@pytest.fixture
def queue() -> KeyedQueue[str]:
    return KeyedQueue()


async def first(queue: KeyedQueue[str]) -> str:
    return await asyncio.wait_for(queue.get(), 5)


async def test_a_key_waits_once_however_often_it_is_added(queue: KeyedQueue[str]) -> None:
    for _ in range(3):
        queue.add("a")
    assert (len(queue), await first(queue), len(queue)) == (1, "a", 0)


async def test_keys_come_in_the_order_in_which_they_were_added(queue: KeyedQueue[str]) -> None:
    for key in "cab":
        queue.add(key)
    assert [await first(queue) for _ in range(3)] == ["c", "a", "b"]


async def test_a_key_that_is_worked_on_is_given_to_nobody_else(queue: KeyedQueue[str]) -> None:
    queue.add("a")
    await first(queue)
    queue.add("a")
    assert len(queue) == 0


async def test_a_key_that_was_added_during_the_work_runs_once_more_afterwards(queue: KeyedQueue[str]) -> None:
    queue.add("a")
    await first(queue)
    queue.add("a")
    queue.add("a")
    queue.done("a")
    assert await first(queue) == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_a_key_comes_back_at_its_deadline(queue: KeyedQueue[str]) -> None:
    queue.add_after("a", SOON)
    assert len(queue) == 0
    assert await first(queue) == "a"


async def test_the_earlier_of_two_deadlines_wins(queue: KeyedQueue[str]) -> None:
    queue.add_after("a", 3600)
    queue.add_after("a", SOON)
    queue.add_after("a", 3600)
    assert await first(queue) == "a"


async def test_a_deadline_during_the_work_is_not_lost(queue: KeyedQueue[str]) -> None:
    queue.add("a")
    await first(queue)
    queue.add_after("a", 0)
    queue.add_after("b", SOON)
    assert await first(queue) == "b"
    queue.done("a")
    assert await first(queue) == "a"


async def test_a_closed_queue_has_no_deadlines(queue: KeyedQueue[str]) -> None:
    queue.add_after("a", 0)
    queue.close()
    queue.add_after("b", SOON)
    assert await first(queue) == "b"


async def test_many_workers_never_share_a_key(queue: KeyedQueue[int]) -> None:
    busy: set[int] = set()
    worked = 0

    async def work() -> None:
        nonlocal worked
        while worked < 300:
            key = await queue.get()
            assert key not in busy
            busy.add(key)
            queue.add(key % 3)
            await asyncio.sleep(0)
            worked += 1
            busy.remove(key)
            queue.done(key)
            queue.add(worked % 7)

    for key in range(7):
        queue.add(key)
    async with asyncio.timeout(10):
        await asyncio.gather(*(work() for _ in range(4)))

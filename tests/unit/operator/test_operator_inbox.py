"""A delivery waits until it is written down, and its sender is told when that takes too long."""

import asyncio
from datetime import UTC, datetime

import pytest

from edgemodel_operator.errors import TooManyDeliveries, Undelivered
from edgemodel_operator.model.naming import Key
from edgemodel_operator.model.observation import Alert, Notice
from edgemodel_operator.signals.inbox import MOST, Inbox

KEY, OTHER = Key("plant-a", "digits"), Key("plant-a", "letters")


def notice(fingerprint: str) -> Notice:
    alert = Alert(fault="slow", node="", since=datetime(2026, 1, 1, tzinfo=UTC), source="Alertmanager")
    return Notice(fingerprint=fingerprint, alert=alert, firing=True)


async def waiting(inbox: Inbox, *keys: Key) -> asyncio.Task[None]:
    task = asyncio.create_task(inbox.deliver({key: (notice(key.name),) for key in keys}))
    await asyncio.sleep(0)
    return task


async def test_a_delivery_returns_when_all_of_it_is_written() -> None:
    inbox = Inbox()
    task = await waiting(inbox, KEY, OTHER)
    inbox.wrote(KEY, inbox.notices(KEY))
    await asyncio.sleep(0)
    assert not task.done()
    inbox.wrote(OTHER, inbox.notices(OTHER))
    await task
    assert inbox.notices(KEY) == inbox.notices(OTHER) == ()


async def test_what_came_after_the_tick_began_is_not_taken_for_written() -> None:
    inbox = Inbox()
    first = await waiting(inbox, KEY)
    seen = inbox.notices(KEY)
    second = await waiting(inbox, KEY)
    inbox.wrote(KEY, seen)
    await first
    assert not second.done()
    inbox.wrote(KEY, inbox.notices(KEY))
    await second


async def test_a_delivery_that_nobody_writes_is_given_back() -> None:
    inbox = Inbox(patience=0.01)
    with pytest.raises(Undelivered, match="plant-a/digits: not written within"):
        await inbox.deliver({KEY: (notice("f1"),)})
    assert inbox.notices(KEY) == ()


async def test_more_deliveries_than_are_taken_are_refused() -> None:
    inbox = Inbox()
    tasks = [await waiting(inbox, KEY) for _ in range(MOST)]
    with pytest.raises(TooManyDeliveries):
        await inbox.deliver({KEY: (notice("f1"),)})
    inbox.wrote(KEY, inbox.notices(KEY))
    await asyncio.gather(*tasks)


async def test_a_delivery_about_nobody_returns_at_once() -> None:
    await Inbox().deliver({})

"""The outbox: no answer leaves before its row is in the log, and those of one turn share a write."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from noria.adapters.log_writer import LogRefused
from noria.ports.serving import VALUES, Layout
from noria.records.policy import Durability
from noria.serving.outbox import Outbox

LAYOUT = Layout(1, 1, b"")


class Log:
    """Writes down what is asked of a log, and fails when it is told to."""

    size = 0

    def __init__(self) -> None:
        self.did: list[str] = []
        self.full = False
        self.rows = 0

    def take(self, layout: Layout, kind: int, rows: int, payload: bytes) -> tuple[str, int]:
        self.did.append("take")
        self.rows += rows
        return "segment", self.rows - rows

    def hand_over(self) -> None:
        self.did.append("hand over")
        if self.full:
            raise LogRefused(reason="ENOSPC")

    def sync(self) -> None:
        self.did.append("sync")

    def refusing(self) -> None:
        raise LogRefused(reason="EIO")

    def close(self) -> None: ...


def played(durability: Durability, play: Callable[[Outbox, Log], Awaitable[None]]) -> Log:
    log = Log()

    async def main() -> None:
        outbox = Outbox(
            log, durability, asyncio.get_running_loop(), lambda count: log.did.append(f"{count} sent")
        )
        await play(outbox, log)

    asyncio.run(main())
    return log


def put(outbox: Outbox, log: Log, name: str, *, counts: bool = True) -> None:
    outbox.take(LAYOUT, VALUES, 1, b"")
    outbox.put(
        lambda answer: log.did.append(f"send {name}"),
        b"",
        lambda error, send: log.did.append(f"refuse {name}: {error.code}"),
        counts=counts,
    )


def test_the_answers_of_one_turn_leave_after_one_write() -> None:
    async def play(outbox: Outbox, log: Log) -> None:
        put(outbox, log, "a")
        put(outbox, log, "b", counts=False)
        assert log.did == ["take", "take"]
        await asyncio.sleep(0)

    assert played("async", play).did == ["take", "take", "hand over", "send a", "send b", "1 sent"]


def test_what_cannot_be_logged_is_not_answered() -> None:
    async def play(outbox: Outbox, log: Log) -> None:
        log.full = True
        put(outbox, log, "a")
        await asyncio.sleep(0)
        log.full = False
        put(outbox, log, "b")
        await asyncio.sleep(0)

    assert played("async", play).did == [
        *("take", "hand over", "refuse a: LOG-UNWRITABLE"),
        *("take", "hand over", "send b", "1 sent"),
    ]


def test_with_sync_nothing_leaves_before_it_is_on_the_disk_and_who_comes_meanwhile_shares_the_next_flush() -> (
    None
):
    async def play(outbox: Outbox, log: Log) -> None:
        put(outbox, log, "a")
        await asyncio.sleep(0)
        put(outbox, log, "b")
        put(outbox, log, "c")
        for _ in range(1000):
            if "send c" in log.did:
                break
            await asyncio.sleep(0.001)

    did = [what for what in played("sync", play).did if what != "take"]
    assert did == ["hand over", "sync", "send a", "1 sent", "hand over", "sync", "send b", "send c", "2 sent"]


@pytest.mark.parametrize("durability", ["sync", "async"])
def test_a_disk_that_fails_at_the_flush_refuses_as_well(durability: Durability) -> None:
    async def play(outbox: Outbox, log: Log) -> None:
        log.sync = log.refusing  # type: ignore[method-assign]
        put(outbox, log, "a")
        await asyncio.sleep(0.05)

    did = played(durability, play).did
    assert ("refuse a: LOG-UNWRITABLE" in did) == (durability == "sync")
    assert ("send a" in did) == (durability == "async")


@pytest.mark.parametrize("durability", ["sync", "async"])
def test_a_fault_of_ours_in_the_log_is_told_to_all_who_wait_and_to_the_loop(durability: Durability) -> None:
    broken: list[Exception] = []

    def fails() -> None:
        raise ZeroDivisionError

    async def play(outbox: Outbox, log: Log) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: broken.append(context["exception"]))
        log.sync = fails  # type: ignore[method-assign]
        if durability == "async":
            log.hand_over = fails  # type: ignore[method-assign]
        put(outbox, log, "a")
        put(outbox, log, "b")
        while not broken:
            await asyncio.sleep(0.001)

    did = played(durability, play).did
    assert did[-2:] == ["refuse a: SERVICE-BUG", "refuse b: SERVICE-BUG"]
    assert [type(error) for error in broken] == [ZeroDivisionError]


@pytest.mark.parametrize("durability", ["sync", "async"])
@pytest.mark.parametrize("full", [False, True], ids=["sent", "refused"])
def test_who_cannot_be_told_costs_nobody_else_an_answer(durability: Durability, full: bool) -> None:
    """Neither those of the same write, nor those of the next one; and what has left is counted."""
    broken: list[Exception] = []

    def fails(*told: Any) -> None:
        raise ZeroDivisionError

    async def play(outbox: Outbox, log: Log) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: broken.append(context["exception"]))
        if full:
            log.sync = log.refusing  # type: ignore[method-assign]
            log.full = durability == "async"
        outbox.put(fails, b"", fails, counts=True)
        put(outbox, log, "a")
        await asyncio.sleep(0)
        log.full = False
        put(outbox, log, "b")
        while not {"send b", "refuse b: LOG-UNWRITABLE"} & {*log.did}:
            await asyncio.sleep(0.001)

    did = played(durability, play).did
    if full:
        assert "refuse a: LOG-UNWRITABLE" in did
    else:
        assert did.index("send a") < did.index("2 sent") < did.index("send b")
    assert [type(error) for error in broken] == [ZeroDivisionError]


def test_what_is_put_together_leaves_in_the_same_turn() -> None:
    async def play(outbox: Outbox, log: Log) -> None:
        def both() -> None:
            put(outbox, log, "a")
            put(outbox, log, "b")

        outbox.send_after(both)
        assert log.did[-1] == "2 sent"
        await asyncio.sleep(0)

    log = played("async", play)
    assert log.did == ["take", "take", "hand over", "send a", "send b", "2 sent"]


def test_what_is_put_together_joins_those_who_wait() -> None:
    async def play(outbox: Outbox, log: Log) -> None:
        put(outbox, log, "a")
        outbox.send_after(lambda: put(outbox, log, "b"))
        assert "hand over" not in log.did
        await asyncio.sleep(0)

    log = played("async", play)
    assert log.did == ["take", "take", "hand over", "send a", "send b", "2 sent"]


def test_what_is_put_together_waits_for_the_disk_too() -> None:
    async def play(outbox: Outbox, log: Log) -> None:
        outbox.send_after(lambda: put(outbox, log, "a"))
        outbox.send_after(lambda: put(outbox, log, "b"))
        assert "send a" not in log.did
        while "send b" not in log.did:
            await asyncio.sleep(0.001)

    log = played("sync", play)
    for name in "ab":
        assert "sync" in log.did[: log.did.index(f"send {name}")]
    assert log.did.count("sync") == 2

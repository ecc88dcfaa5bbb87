"""The batcher: what waits is answered together, nobody fails for another, and the queue has an end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from noria.serving.batching import IN_THE_LOOP, Batcher, Job
from noria.serving.errors import Overloaded, TooLate

Outcome = tuple[Any, BaseException | None]


class Model:
    """Answers each row with its double; works only while it may, and remembers what it was asked together."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.begun = threading.Event()
        self.batches: list[int] = []

    def __call__(self, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        self.begun.set()
        assert self.may.wait(20)
        if any(value == "poison" for (value,) in rows):
            raise SystemExit("the user's own exit")
        self.batches.append(len(rows))
        return [2 * value for (value,) in rows]


def run(test: Callable[[asyncio.AbstractEventLoop, Model], Any]) -> Model:
    model = Model()

    async def main() -> None:
        await test(asyncio.get_running_loop(), model)

    asyncio.run(main())
    return model


def asked(
    batcher: Batcher, loop: asyncio.AbstractEventLoop, *values: Any, within: float = 20.0
) -> asyncio.Future[Outcome]:
    told: asyncio.Future[Outcome] = loop.create_future()
    rows = [(value,) for value in values]
    batcher.submit(
        Job(lambda result, error: told.set_result((result, error)), loop.time() + within, 10, rows=rows)
    )
    return told


def test_what_waits_is_answered_together_each_with_its_own() -> None:
    async def test(loop: asyncio.AbstractEventLoop, model: Model) -> None:
        batcher = Batcher(model, loop)
        first = asked(batcher, loop, 1)
        assert await asyncio.to_thread(model.begun.wait, 20)
        others = [asked(batcher, loop, *values) for values in ((2,), (3, 4), (5,))]
        model.may.set()
        assert await first == ([2], None)
        assert [await other for other in others] == [([4], None), ([6, 8], None), ([10], None)]
        batcher.close()

    assert run(test).batches == [1, 4]


def test_rows_that_cannot_be_answered_fail_nobody_beside_them() -> None:
    async def test(loop: asyncio.AbstractEventLoop, model: Model) -> None:
        batcher = Batcher(model, loop)
        first = asked(batcher, loop, 0)
        assert await asyncio.to_thread(model.begun.wait, 20)
        beside, poison, other = (
            asked(batcher, loop, 1),
            asked(batcher, loop, "poison"),
            asked(batcher, loop, 2),
        )
        model.may.set()
        await first
        assert (await beside, await other) == (([2], None), ([4], None))
        result, error = await poison
        assert result is None and isinstance(error, SystemExit)
        batcher.close()

    run(test)


def test_a_batch_is_no_larger_than_it_may_be() -> None:
    async def test(loop: asyncio.AbstractEventLoop, model: Model) -> None:
        batcher = Batcher(model, loop, rows=3)
        waiting = [asked(batcher, loop, 0)]
        assert await asyncio.to_thread(model.begun.wait, 20)
        waiting += [asked(batcher, loop, 1, 2) for _ in range(3)]
        waiting += [asked(batcher, loop, *range(7))]
        model.may.set()
        assert [error for _, error in [await one for one in waiting]] == [None] * 5
        batcher.close()

    assert run(test).batches == [1, 2, 2, 2, 7]


def test_a_call_is_done_alone_and_in_its_turn() -> None:
    async def test(loop: asyncio.AbstractEventLoop, model: Model) -> None:
        batcher, order = Batcher(model, loop), []
        first = asked(batcher, loop, 1)
        assert await asyncio.to_thread(model.begun.wait, 20)
        called: asyncio.Future[Outcome] = loop.create_future()
        batcher.submit(
            Job(
                lambda *outcome: called.set_result(outcome),
                loop.time() + 20,
                0,
                call=lambda: order.append(len(model.batches)),
            )
        )
        after = asked(batcher, loop, 2)
        model.may.set()
        await asyncio.gather(first, called, after)
        assert order == [1]
        batcher.close()

    assert run(test).batches == [1, 1]


@pytest.mark.parametrize(("limits", "size"), [({"waiting": 2}, 1), ({"held": 15}, 10)])
def test_who_comes_too_late_is_told_at_once(limits: dict[str, int], size: int) -> None:
    async def test(loop: asyncio.AbstractEventLoop, model: Model) -> None:
        batcher = Batcher(model, loop, **limits)
        waiting = [asked(batcher, loop, 1)]
        assert await asyncio.to_thread(model.begun.wait, 20)
        with pytest.raises(Overloaded):
            for _ in range(3):
                waiting.append(asked(batcher, loop, 2))
        model.may.set()
        await asyncio.gather(*waiting)
        assert await asked(batcher, loop, 3) == ([6], None)  # there is room again
        batcher.close()

    run(test)


def test_work_that_nobody_waits_for_any_more_is_not_done() -> None:
    async def test(loop: asyncio.AbstractEventLoop, model: Model) -> None:
        batcher = Batcher(model, loop)
        first = asked(batcher, loop, 1)
        assert await asyncio.to_thread(model.begun.wait, 20)
        late = asked(batcher, loop, 2, within=-1)
        model.may.set()
        await first
        result, error = await late
        assert result is None and isinstance(error, TooLate)
        batcher.close()

    assert run(test).batches == [1]


class Turns:
    """Answers each row with its double; a row is worth its seconds by a clock that only rows move. Remembers the threads that
    it was asked in, and may refuse to work beside a running event loop."""

    def __init__(self, *, alone: bool = False, loops: float = 0.0) -> None:
        self.now = self.loops_cpu = 0.0
        self.alone = alone
        self.loops = loops
        """Seconds that the event loop's thread computes beside each turn in the thread, which waits for it meanwhile."""
        self.turns: list[tuple[int, bool]] = []
        """Rows of each turn, and whether it was taken in the event loop."""

    def __call__(self, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        here = threading.current_thread() is threading.main_thread()
        self.turns.append((len(rows), here))
        self.now += sum(value for (value,) in rows)
        if not here:
            self.now += self.loops
            self.loops_cpu += self.loops
        if here and self.alone:
            raise RuntimeError("asyncio.run() cannot be called from a running event loop")
        return [2 * value for (value,) in rows]

    async def until_brief(self, batcher: Batcher, loop: asyncio.AbstractEventLoop) -> None:
        for _ in range(1000):
            await asked(batcher, loop, 0.0)
            if self.turns[-1][1]:
                self.turns.clear()
                return
        raise AssertionError("a thousand brief turns in the thread")


def taking(test: Callable[[asyncio.AbstractEventLoop, Batcher, Turns], Any], turns: Turns) -> Turns:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        batcher = Batcher(turns, loop, clock=lambda: turns.now, busy=lambda: turns.loops_cpu)
        await test(loop, batcher, turns)
        batcher.close()

    asyncio.run(main())
    return turns


def test_brief_turns_are_taken_in_the_event_loop_with_all_that_came_at_once() -> None:
    async def test(loop: asyncio.AbstractEventLoop, batcher: Batcher, turns: Turns) -> None:
        await turns.until_brief(batcher, loop)
        found = await asyncio.gather(*(asked(batcher, loop, 0.0, 0.001) for _ in range(3)))
        assert found == [([0.0, 0.002], None)] * 3

    assert taking(test, Turns()).turns == [(6, True)]


def test_after_a_long_turn_the_event_loop_is_kept_free_for_a_while() -> None:
    async def test(loop: asyncio.AbstractEventLoop, batcher: Batcher, turns: Turns) -> None:
        await turns.until_brief(batcher, loop)
        assert await asked(batcher, loop, 1.0) == ([2.0], None)
        for _ in range(100):
            await asked(batcher, loop, 0.0)
        assert turns.turns == [(1, True), *[(1, False)] * 100]
        await turns.until_brief(batcher, loop)

    taking(test, Turns())


def test_turns_that_are_interrupted_now_and_then_stay_in_the_event_loop() -> None:
    async def test(loop: asyncio.AbstractEventLoop, batcher: Batcher, turns: Turns) -> None:
        await turns.until_brief(batcher, loop)
        for at in range(300):
            await asked(batcher, loop, 0.0 if at < 100 or at % 5 else 0.015)
        assert turns.turns == [(1, True)] * 300
        for _ in range(200):
            await asked(batcher, loop, 0.015)
        assert turns.turns[-1] == (1, False)

    taking(test, Turns())


def test_a_thread_that_waits_for_the_event_loop_does_not_count_that_as_its_own_work() -> None:
    async def test(loop: asyncio.AbstractEventLoop, batcher: Batcher, turns: Turns) -> None:
        await turns.until_brief(batcher, loop)

    taking(test, Turns(loops=0.05))


def test_turns_that_are_always_long_are_never_taken_in_the_event_loop() -> None:
    async def test(loop: asyncio.AbstractEventLoop, batcher: Batcher, turns: Turns) -> None:
        for _ in range(500):
            await asked(batcher, loop, 0.005)

    assert not any(here for _, here in taking(test, Turns()).turns)


def test_more_rows_than_a_brief_turn_may_have_are_the_threads() -> None:
    async def test(loop: asyncio.AbstractEventLoop, batcher: Batcher, turns: Turns) -> None:
        await turns.until_brief(batcher, loop)
        await asyncio.gather(*(asked(batcher, loop, *[0.0] * 200) for _ in range(3)))

    turns = taking(test, Turns()).turns
    assert turns[0] == (200, True) and sum(rows for rows, _ in turns) == 600
    assert all(rows <= IN_THE_LOOP for rows, here in turns if here)


def test_what_fails_in_the_event_loop_is_tried_in_the_thread() -> None:
    async def test(loop: asyncio.AbstractEventLoop, batcher: Batcher, turns: Turns) -> None:
        await turns.until_brief(batcher, loop)
        turns.alone = True
        assert await asked(batcher, loop, 0.001) == ([0.002], None)
        assert await asked(batcher, loop, 0.001) == ([0.002], None)

    assert taking(test, Turns()).turns == [(1, True), (1, False), (1, False)]


def test_many_rows_and_calls_are_the_threads_whatever_is_before_them() -> None:
    async def test(loop: asyncio.AbstractEventLoop, batcher: Batcher, turns: Turns) -> None:
        await turns.until_brief(batcher, loop)
        called: asyncio.Future[str] = loop.create_future()
        first = asked(batcher, loop, 0.0)
        batcher.submit(
            Job(
                lambda result, _: called.set_result(result.name),
                loop.time() + 20,
                0,
                call=threading.current_thread,
            )
        )
        last = asked(batcher, loop, 0.0)
        assert await called == "answers"
        await asyncio.gather(first, last)
        await asked(batcher, loop, *[0.0] * 1000)

    assert taking(test, Turns()).turns[-1] == (1000, False)


def test_who_stumbles_over_its_result_is_told_of_that_and_those_beside_it_get_theirs() -> None:
    async def test(loop: asyncio.AbstractEventLoop, model: Model) -> None:
        batcher, heard = Batcher(model, loop), []

        def stumbles(result: Any, error: BaseException | None) -> None:
            heard.append((result, error))
            if error is None:
                raise ZeroDivisionError

        first = asked(batcher, loop, 1)
        assert await asyncio.to_thread(model.begun.wait, 20)
        batcher.submit(Job(stumbles, loop.time() + 20, 10, rows=[(2,)]))
        beside = asked(batcher, loop, 3)
        model.may.set()
        assert await first == ([2], None)
        assert await beside == ([6], None)
        assert [(result, type(error)) for result, error in heard] == [
            ([4], type(None)),
            (None, ZeroDivisionError),
        ]
        batcher.close()

    assert run(test).batches == [1, 2]

"""Requests of one turn of the event loop: asked together, each answered whatever comes of the others."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from noria.serving.cause import OWN
from noria.serving.quick import Read
from noria.serving.raw import Raw
from noria.serving.taken import Taken
from noria.serving.turn import LOOKED_AT, MOST, Turn


class House:
    """A turn whose model doubles, refuses 13, and would end the process at 17; whose log breaks at 7, and which cannot even
    tell 19 that it failed."""

    def __init__(self) -> None:
        self.told: list[tuple[float, Any]] = []
        self.failed: list[tuple[float, str]] = []
        self.stages: list[tuple[str, float]] = []
        self.soon: list[Callable[[], None]] = []
        self.sent_together: list[int] = []
        journal = SimpleNamespace(
            send_after=self.send_after,
            metrics=SimpleNamespace(stage=lambda name, seconds, weight: self.stages.append((name, weight))),
        )
        loop = SimpleNamespace(call_soon=lambda call: self.soon.append(call))
        self.turn = Turn(self.few, self.deliver, self.fail, cast(Any, journal), cast(Any, loop))

    def few(self, rows: Any) -> Any:
        if rows[0][0] == 13:
            raise ValueError("13")
        if rows[0][0] == 17:
            raise SystemExit("17")
        return [(2 * value,) for (value,) in rows]

    def deliver(self, taken: Taken, read: Any, answers: Any) -> None:
        if read.first[0] in (7, 19):
            raise KeyError(read.first[0])
        self.told.append((read.first[0], answers[0][0]))

    def fail(self, taken: Taken, error: BaseException) -> None:
        if taken.read.first[0] == 19:
            raise RuntimeError("19")
        self.failed.append((taken.read.first[0], type(error).__name__))

    def send_after(self, puts: Callable[[], None]) -> None:
        before = len(self.told)
        puts()
        self.sent_together.append(len(self.told) - before)

    def add(self, value: float) -> None:
        raw, read = Raw(b"POST", b"/", [], b"", True), Read([(value,)], nulls=False)
        self.turn.add(Taken(read, raw, 0, 0.0, raw.send, OWN), read)

    def end(self) -> None:
        soon, self.soon = self.soon, []
        for call in soon:
            call()


def test_what_has_come_is_answered_together_and_in_order() -> None:
    house = House()
    for value in (1, 2, 3):
        house.add(value)
    assert house.told == []
    assert len(house.soon) == 1
    house.end()
    assert house.told == [(1, 2), (2, 4), (3, 6)]
    assert house.sent_together == [3]
    house.add(4)
    house.end()
    assert house.sent_together == [3, 1]


def test_who_fails_fails_alone() -> None:
    house = House()
    for value in (1, 13, 7, 17, 2):
        house.add(value)
    house.end()
    assert house.told == [(1, 2), (2, 4)]
    assert house.failed == [(13, "ValueError"), (7, "KeyError"), (17, "SystemExit")]


@pytest.mark.parametrize("few", [None, ZeroDivisionError, SystemExit])
def test_who_cannot_be_told_that_it_failed_costs_nobody_else_an_answer(
    few: type[BaseException] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House()
    doubled = house.few

    def failing(rows: Any) -> Any:
        if few is not None and rows[0][0] == 19:
            raise few
        return doubled(rows)

    monkeypatch.setattr(house.turn, "_few", failing)
    for value in (1, 19, 13, 2):
        house.add(value)
    with pytest.raises(RuntimeError, match="19"):
        house.end()
    assert house.told == [(1, 2), (2, 4)]
    assert house.failed == [(13, "ValueError")]


def test_a_turn_owes_no_more_than_so_many_answers() -> None:
    house = House()
    for value in range(1000, 1000 + MOST + 3):
        house.add(value)
    assert house.sent_together == [MOST]
    house.end()
    assert house.sent_together == [MOST, 3]
    assert [value for value, _ in house.told] == list(range(1000, 1000 + MOST + 3))


def test_stages_are_counted_for_as_many_as_there_were() -> None:
    house = House()
    for value in range(1000, 1000 + 3 * LOOKED_AT + 1):
        house.add(value)
    house.end()
    weights = {
        name: sum(weight for one, weight in house.stages if one == name)
        for name in ("read", "model", "log and reply")
    }
    assert set(weights.values()) == {3 * LOOKED_AT}

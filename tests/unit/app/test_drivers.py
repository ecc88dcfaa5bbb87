"""Who says that it relies on objects: its end is not held up by a store that is away."""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Event

import pytest

from noria.app import drivers
from noria.app.drivers import driving


class Stuck:
    """Slots whose store is away from the second put on, until it is back."""

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.puts = 0
        self.waits, self.back = Event(), Event()

    def put(self, name: str, data: bytes) -> None:
        self.puts += 1
        if self.puts > 1:
            self.waits.set()
            assert self.back.wait(60)
        self.there.add(name)

    def get(self, name: str) -> bytes | None:
        return None

    def names(self, folder: str) -> Sequence[str]:
        return sorted(self.there)

    def drop(self, name: str) -> None:
        self.there.discard(name)


def test_a_beat_that_waits_for_its_store_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers, "BEAT", 0.01)
    monkeypatch.setattr(drivers, "PARTING", 0.05)
    slots = Stuck()
    with driving(slots, "delay"):
        assert slots.waits.wait(60) and slots.there
    assert not slots.there
    slots.back.set()  # the late beat says that somebody lives, and takes it back
    until = time.monotonic() + 60
    while slots.puts < 2 or slots.there:
        assert time.monotonic() < until
        time.sleep(0.01)

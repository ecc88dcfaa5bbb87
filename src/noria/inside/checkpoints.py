"""A long step's state, kept so that a killed training goes on from it."""

from __future__ import annotations

from typing import Any, Protocol

from noria.inside.context import Inside, current
from noria.records.base import Digest, canonical, parse
from noria.records.checkpoints import Saved

FOLDER = "checkpoints"


class Checkpoint(Protocol):
    """The newest state of the step that runs."""

    def load(self, default: Any = None) -> Any:
        """What was saved last, by this attempt or an earlier one with the same code, inputs, parameters and
        environment; the default where nothing was. What the earlier one had logged by then counts as logged."""
        ...

    def save(self, value: Any) -> None:
        """Keep a state: durable when this returns; the one before is given up. Any value that a step may return."""
        ...


def checkpoint() -> Checkpoint:
    """The checkpoint of the step that runs:

        state = noria.checkpoint()
        model, first = state.load(default=(None, 0))
        for epoch in range(first, epochs):
            ...
            state.save((model, epoch + 1))

    Figures that were logged before the newest save are part of it: a step that goes on has them, each of them once.
    Outside of a run, as in a unit test, it lives in memory, and each call gives a new one.
    """
    inside = current()
    if inside is None or inside.fingerprint is None:
        return _InMemory()
    return _Kept(inside, slot_of(inside.fingerprint))


def slot_of(fingerprint: Digest) -> str:
    """Where the checkpoint of a step's fingerprint lies."""
    return f"{FOLDER}/{fingerprint.removeprefix('blake3:')}"


class _Kept:
    def __init__(self, inside: Inside, slot: str) -> None:
        self._inside = inside
        self._slot = slot

    def load(self, default: Any = None) -> Any:
        found = self._inside.slots.get(self._slot)
        if found is None:
            return default
        saved = parse(found, Saved)
        self._inside.spool.take(saved.logged)
        return self._inside.artifacts.load(saved.state)

    def save(self, value: Any) -> None:
        logged = self._inside.spool.segments()  # before the state: what others log meanwhile is none of it
        saved = Saved(state=self._inside.artifacts.save(value), logged=logged)
        self._inside.slots.put(self._slot, canonical(saved))


class _InMemory:
    def __init__(self) -> None:
        self._values: list[Any] = []

    def load(self, default: Any = None) -> Any:
        return self._values[-1] if self._values else default

    def save(self, value: Any) -> None:
        self._values = [value]

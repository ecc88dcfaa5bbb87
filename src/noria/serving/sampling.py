"""Which requests are traced: by what OpenTelemetry's own variables say, decided before a span is made, which costs fifty
times as much.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from noria.serving.log import Narrator

NAME, ARGUMENT = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"
USUAL = 10  # traces a second that a worker begins by itself: a quiet service has all of them, a busy one loses a percent to it
LOW = 2**64 - 1  # the half of a trace's id by which a share is decided, as OpenTelemetry's own sampler does


class Caller(Protocol):
    """Whose span a request's would be the child of."""

    @property
    def trace(self) -> int: ...

    @property
    def sampled(self) -> bool: ...


Wanted = Callable[[Caller | None], bool]
"""Whether a request is traced, by its caller's decision, where it has one."""


@dataclass
class Few:
    """Up to so many a second. For one thread."""

    most: int = USUAL
    clock: Callable[[], float] = monotonic
    _left: float = field(default=USUAL, init=False)
    _at: float = field(default=0.0, init=False)

    def __call__(self, caller: Caller | None) -> bool:
        now = self.clock()
        self._left = min(float(self.most), self._left + (now - self._at) * self.most)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


def sampler_of(variables: Mapping[str, str], narrate: Narrator) -> Wanted:
    """What the variables say; else what callers sample, and of the other requests some a second."""
    name = variables.get(NAME, "").strip().lower()
    root = name.removeprefix("parentbased_")
    found: dict[str, Wanted] = {"always_on": _always, "always_off": _never}
    if root == "traceidratio":
        found[root] = _share(variables.get(ARGUMENT, ""), narrate)
    if root in found:
        return found[root] if root == name else _as_caller(found[root])
    if name:
        narrate("traces.sampler", name=name, why="it is none that is known here: the usual one is used")
    return _as_caller(Few())


def _as_caller(otherwise: Wanted) -> Wanted:
    return lambda caller: otherwise(None) if caller is None else caller.sampled


def _always(caller: Caller | None) -> bool:
    return True


def _never(caller: Caller | None) -> bool:
    return False


def _share(text: str, narrate: Narrator) -> Wanted:
    """Of a caller's traces, by their ids, so that all who see one decide alike."""
    share = 1.0
    try:
        share = float(text) if text else 1.0
    except ValueError:
        narrate("traces.sampler", name=text, why=f"{ARGUMENT} is no share from 0 to 1: all are taken")
    return lambda caller: (random.random() if caller is None else (caller.trace & LOW) / 2**64) < share

"""Whom a request asks for, and how it comes to be answered where it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """What a path names: a model, and perhaps a version of it by number or by alias."""

    model: str
    version: str | None = None

    def __str__(self) -> str:
        return self.model if self.version is None else f"{self.model}{_mark(self.version)}{self.version}"


def reference(model: str, version: str | None = None) -> Reference:
    """`delay`, `delay@champion` or `delay:3`, as one piece of a path or as two."""
    for mark in "@:":
        name, found, rest = model.partition(mark)
        if found and version is None:
            return Reference(name, rest)
    return Reference(model, version)


@dataclass(frozen=True)
class Cause:
    """How a request comes to be answered here."""

    way: str = ""
    """As the log has it; see `ports.serving.WAYS`."""
    until: float | None = None
    """By the loop's clock, when nobody waits for the answer any more, where that is known."""
    passed_on: bool = False
    """By another worker, which goes on without an answer then: one that comes later must not be logged as given."""


OWN, ASKED, HURRIED = Cause(), Cause("asked"), Cause("hurried")


@dataclass(frozen=True)
class Assigned:
    """A request that another version is to answer."""

    version: int


def _mark(version: str) -> str:
    return ":" if version.isdigit() else "@"

"""A command that fails as it is told: what `main` makes of each family of errors is tested with it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any, ClassVar

from noria.errors import (
    BackendError,
    Bug,
    ConfigError,
    Conflict,
    Corrupt,
    NotFound,
    StepFailed,
    Unavailable,
    UsageError,
)


def add(subparsers: Any) -> None:
    subparsers.add_parser("fail").add_argument("how")


def run(args: argparse.Namespace) -> int:
    raise FAULTS[args.how]


@dataclass(eq=False)
class _Told:
    code: ClassVar[str] = "TOLD"
    what: ClassVar[str] = "the {thing} is wrong"
    next: ClassVar[str] = "mend the {thing}"
    thing: str = "lever"


def _error(family: type[Exception]) -> Exception:
    made: Exception = type("Told", (_Told, family), {})()
    return made


FAULTS: dict[str, BaseException] = {
    "step": _error(StepFailed),
    "usage": _error(UsageError),
    "config": _error(ConfigError),
    "missing": _error(NotFound),
    "conflict": _error(Conflict),
    "unavailable": _error(Unavailable),
    "backend": _error(BackendError),
    "corrupt": _error(Corrupt),
    "bug": _error(Bug),
    "unforeseen": KeyError("lever"),
    "interrupt": KeyboardInterrupt(),
    "pipe": BrokenPipeError(),
}

"""Classes that a user's pipeline might return; in a module of their own, where another process finds them."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, IntEnum
from typing import Any, NamedTuple

import msgspec


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


@dataclass(frozen=True, slots=True)
class Fold:
    start: datetime
    number: int


@dataclass
class Encoder:
    levels: dict[str, list[str]]
    weights: Any
    made: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.made += 1


class Settings(msgspec.Struct, kw_only=True):
    rate: float
    names: tuple[str, ...] = ()


class Point(NamedTuple):
    x: int
    y: int


Pair = namedtuple("Pair", "left right")

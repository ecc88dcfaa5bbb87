"""Who answers a model's requests: the champion, challengers with their shares, and shadows that answer for nobody."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from noria.records.base import Record

_BITS = 53  # of a digest: as many as a float holds, so that no place is rounded up to 1
_FINE = 1e-9  # of all units; below it two ends of ramps are the same number, added up in another order


class Challenger(Record):
    """A version that answers for a share of the units: those whose place lies in `[start, start + share)`, where 1 is 0
    again. Its start stays, so whoever it answers for at 5 % it answers for at 25 %."""

    version: int
    share: float
    start: float = 0.0

    def answers_for(self, place: float) -> bool:
        return (place - self.start) % 1.0 < self.share


class Routing(Record):
    """A routing table. It changes as a whole, and each change has the next generation."""

    model: str
    champion: int
    """Answers whatever nobody else does; it is the version that the service's alias names, so no table changes it."""
    generation: int = 0
    challengers: tuple[Challenger, ...] = ()
    shadows: tuple[int, ...] = ()
    salt: str = ""
    """Of the experiment: with another one, the units fall into other places."""

    def beside(self) -> tuple[int, ...]:
        """The versions that have to be loaded besides the champion's."""
        return tuple(dict.fromkeys([*(one.version for one in self.challengers), *self.shadows]))

    def assigned(self, unit: str) -> int:
        """The version that answers for a unit."""
        at = place(self.model, self.salt, unit)
        for one in self.challengers:
            if one.answers_for(at):
                return one.version
        return self.champion

    def same(self, other: Routing) -> bool:
        """Whether both send every request the same way."""
        return (
            self.champion == other.champion
            and set(self.challengers) == set(other.challengers)
            and set(self.shadows) == set(other.shadows)
            and (self.salt == other.salt or not self.challengers)
        )


def place(model: str, salt: str, unit: str) -> float:
    """A unit's place in [0, 1): even over the units, and the same in every process that ever asks."""
    text = b"\x00".join(part.encode("utf-8", "surrogatepass") for part in (model, salt, unit))
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return float((int.from_bytes(digest, "big") >> (64 - _BITS)) / 2**_BITS)


def overlap(challengers: Sequence[Challenger]) -> tuple[int, int, float] | None:
    """Two versions that would answer for the same units, and the largest share that the first may have beside the
    second; None where there are none."""
    for one in challengers:
        for other in challengers:
            if one is other:
                continue
            room = (other.start - one.start) % 1.0
            if one.share > room + _FINE:
                return one.version, other.version, room
    return None


def free_start(share: float, taken: Iterable[Challenger]) -> float | None:
    """Where a new challenger begins: at the first of 0, 1/2, 1/4, 3/4, 1/8 ... with room for its share, so that it and
    those that are there can grow the most. None where no such place has room."""
    others = tuple(taken)
    for start in _halves():
        new = Challenger(version=0, share=share, start=start)
        if not any(one.answers_for(start) for one in others) and overlap((*others, new)) is None:
            return start
    return None


def _halves(depth: int = 6) -> Iterable[float]:
    yield 0.0
    for parts in (2**power for power in range(1, depth + 1)):
        yield from (at / parts for at in range(1, parts, 2))

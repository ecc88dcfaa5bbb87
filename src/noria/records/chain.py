"""Walking a model's chain: proof that no event was changed, removed, inserted or moved since it was appended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from noria.errors import Corrupt
from noria.records.base import digest_of
from noria.records.events import GENESIS, Change, Event, verified


@dataclass(eq=False)
class BrokenChain(Corrupt):
    code: ClassVar[str] = "CHAIN-BROKEN"
    what: ClassVar[str] = "the event chain of {model} breaks at event {seq}: {why}"
    next: ClassVar[str] = (
        "stop what writes to this store, keep a copy of it, and restore the records from a backup"
    )
    model: str
    seq: int
    why: str


def verify_chain(pairs: Iterable[tuple[Event, Change | None]]) -> int:
    """Walk one model's whole chain from its start and count its links. Raises `BrokenChain` where it breaks.

    Where only a tombstone is left (the change is None), the link is checked and the change cannot be. A chain
    cut off at its end still verifies: only a hash that was kept elsewhere can tell.
    """
    seq, previous, model = 0, GENESIS, None
    for event, change in pairs:
        seq += 1
        model = model or event.model
        why = _fault(event, change, seq=seq, previous=previous, model=model)
        if why:
            raise BrokenChain(model=model, seq=seq, why=why)
        previous = event.hash
    return seq


def _fault(event: Event, change: Change | None, *, seq: int, previous: str, model: str) -> str:
    """Why this pair cannot stand here; empty when it can."""
    if event.seq != seq:
        return f"event {event.seq} stands there"
    if event.model != model:
        return f"it belongs to {event.model}"
    if event.previous != previous:
        return "it does not follow the event before it"
    if not verified(event, previous=event.previous, seq=seq):
        return "its hash is not that of its content"
    if change is not None and str(change.__struct_config__.tag) != event.kind:
        return f"it is stored as {event.kind} and its record is {change.__struct_config__.tag}"
    if change is not None and digest_of(change) != event.digest:
        return f"its record ({event.kind}) is not what was appended"
    return ""

"""Proof that what is stored is what was appended: the chain itself, and the tables against the chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from noria.app.change_words import describe
from noria.records.base import Digest, Record
from noria.records.chain import BrokenChain, verify_chain
from noria.records.events import GENESIS, AliasMoved, Change, Event
from noria.records.tokens import CHAIN

if TYPE_CHECKING:
    from noria.app.wiring import App


class Entry(Record, kw_only=True):
    """One event as a reader sees it."""

    seq: int
    at: datetime
    kind: str
    about: str
    hash: Digest


class Audit(Record, kw_only=True):
    """What one look at a model's whole chain found; no faults is good news."""

    model: str
    events: int
    head: Digest
    """The last hash: kept elsewhere, it also proves that no event was cut off at the end."""
    faults: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()

    @property
    def sound(self) -> bool:
        return not self.faults


def audit(app: App, model: str | None = None, *, entries: bool = False) -> tuple[Audit, ...]:
    """Verify every model's chain, or the one's. Faults are in the answer; raises `UnknownModel`."""
    if model is not None and model not in app.records.versions.models() and model != CHAIN:
        model = app.model(model).name
    names = [model] if model else [*app.records.versions.models(), CHAIN]
    audits = tuple(_audit(app, name, entries) for name in names)
    return tuple(one for one in audits if one.events or one.model != CHAIN)


def _audit(app: App, model: str, wanted: bool) -> Audit:
    """One pass over the chain: a long one is never held whole, unless its entries are wanted."""
    faults: list[str] = []
    entries: list[Entry] = []
    aliases: dict[str, int] = {}
    head, events = GENESIS, 0

    def noted() -> Iterator[tuple[Event, Change | None]]:
        nonlocal head, events
        for event, change in app.records.ledger.events(model):
            head, events = event.hash, events + 1
            if wanted:
                entries.append(_entry(event, change))
            if isinstance(change, AliasMoved):
                _follow(aliases, change)
            yield event, change

    try:
        verify_chain(noted())
    except BrokenChain as error:
        faults.append(str(error))
    else:
        faults += _alias_faults(model, said=aliases, stored=app.records.versions.aliases(model))
    return Audit(model=model, events=events, head=head, faults=tuple(faults), entries=tuple(entries))


def _follow(aliases: dict[str, int], moved: AliasMoved) -> None:
    aliases.pop(moved.alias, None)
    if moved.after is not None:
        aliases[moved.alias] = moved.after


def _alias_faults(model: str, *, said: Mapping[str, int], stored: Mapping[str, int]) -> Iterator[str]:
    """What an alias names is the one thing that is stored beside the events, and not under their digests."""
    for alias in sorted(said.keys() | stored.keys()):
        if said.get(alias) != stored.get(alias):
            names, by_events = (
                f"{model}:{one}" if one else "nothing" for one in (stored.get(alias), said.get(alias))
            )
            yield f"{model}@{alias} names {names}, and by the events it names {by_events}"


def _entry(event: Event, change: Change | None) -> Entry:
    about = "erased: a tombstone is left" if change is None else describe(change)
    return Entry(seq=event.seq, at=event.at, kind=event.kind, about=about, hash=event.hash)

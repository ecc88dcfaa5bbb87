"""From what somebody wants of a routing table to a table that can hold. Nothing here starts or tells anybody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from noria.records.base import Record
from noria.records.routing import Challenger, Routing, free_start, overlap
from noria.serving.service_errors import BadRouting


class WantedChallenger(Record, forbid_unknown_fields=True):
    version: Annotated[int, msgspec.Meta(ge=1)]
    share: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
    """0 loads it, for those who ask for it by name."""
    start: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] | None = None
    """Where its units begin; None: where they began, or where there is room."""


class Wanted(Record, forbid_unknown_fields=True):
    """A whole table, but for the champion, whom the alias names."""

    generation: int
    """Of the table that this one is to replace."""
    challengers: tuple[WantedChallenger, ...] = ()
    shadows: tuple[Annotated[int, msgspec.Meta(ge=1)], ...] = ()
    salt: str | None = None
    """None: as it was, and with a first challenger one of its own."""


def worked_out(wanted: Wanted, now: Routing) -> Routing:
    """The table that is wanted, with what was left open. Raises `BadRouting`."""
    _check_versions([*(one.version for one in wanted.challengers), *wanted.shadows], now)
    challengers = _placed(wanted.challengers, now)
    found = overlap(challengers)
    if found is not None:
        one, other, room = found
        problem = f"version {one} and version {other} would answer for the same units"
        raise BadRouting(now.model, problem, f"give version {one} at most {room:.2%}")
    return Routing(
        model=now.model,
        champion=now.champion,
        generation=now.generation,
        challengers=challengers,
        shadows=wanted.shadows,
        salt=_salt(wanted, now),
    )


def without(table: Routing, version: int) -> Routing:
    """The same table without a version."""
    return msgspec.structs.replace(
        table,
        challengers=tuple(one for one in table.challengers if one.version != version),
        shadows=tuple(one for one in table.shadows if one != version),
    )


def _check_versions(versions: Sequence[int], now: Routing) -> None:
    if now.champion in versions:
        problem = f"version {now.champion} is the champion, and answers whatever nobody else does"
        raise BadRouting(now.model, problem, "leave it out")
    twice = next((each for each in versions if versions.count(each) > 1), None)
    if twice is not None:
        problem = f"version {twice} is named twice"
        raise BadRouting(now.model, problem, "let it be a challenger or a shadow")


def _placed(wanted: Sequence[WantedChallenger], now: Routing) -> tuple[Challenger, ...]:
    """Those that have a place keep it; then the others find theirs."""
    before = {one.version: one.start for one in now.challengers}
    starts = [before.get(one.version) if one.start is None else one.start for one in wanted]
    placed = [
        Challenger(version=one.version, share=one.share, start=start)
        for one, start in zip(wanted, starts, strict=True)
        if start is not None
    ]
    for one, start in zip(wanted, starts, strict=True):
        if start is None:
            found = free_start(one.share, placed)
            if found is None:
                problem = f"there is no room for {one.share:.2%} of the units to version {one.version}"
                raise BadRouting(now.model, problem, "lower the shares, or give each its `start`")
            placed.append(Challenger(version=one.version, share=one.share, start=found))
    return tuple(sorted(placed, key=lambda each: each.version))


def _salt(wanted: Wanted, now: Routing) -> str:
    """With each experiment other units come first, for the same few should not try out everything."""
    if wanted.salt is not None:
        return wanted.salt
    if now.challengers or not wanted.challengers:
        return now.salt
    return str(wanted.challengers[0].version)

"""Moves of an alias, and the way back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from noria.records.events import AliasMoved, Change


def move(
    aliases: Mapping[str, int], *, model: str, alias: str, to: int | None, why: str, by: str
) -> AliasMoved | None:
    """The change that lets `alias` name version `to`; None when it does already."""
    before = aliases.get(alias)
    if before == to:
        return None
    return AliasMoved(model=model, alias=alias, before=before, after=to, why=why, by=by)


def previous(changes: Iterable[Change | None], alias: str) -> int | None:
    """The version that `alias` named before the one it names now; None when there was none.

    Going back twice goes back two versions: a move that went back is undone with the move that it undid. A version that a
    rollout promoted has gone forth, also where it is one of before.
    """
    held: list[int] = []
    for change in changes:
        if not isinstance(change, AliasMoved) or change.alias != alias or change.after is None:
            continue
        if change.after in held and not change.forth:
            while held[-1] != change.after:
                held.pop()
        else:
            held.append(change.after)
    return held[-2] if len(held) > 1 else None

"""When a version was its model's champion, by the events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noria.monitor.reigns import Reigns
from noria.records.events import AliasMoved
from noria.records.versions import Version
from noria.registry.references import CHAMPION

if TYPE_CHECKING:
    from noria.app.wiring import App


def reigns_of(app: App, version: Version) -> Reigns:
    moves = (
        (event.at, change)
        for event, change in app.records.ledger.events(version.model, kinds=["alias.moved"])
        if isinstance(change, AliasMoved) and change.alias == CHAMPION
    )
    return Reigns(moves, version.number)

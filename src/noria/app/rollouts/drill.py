"""The rollback drill: the way back is tried while nobody needs it, and the result is an event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noria.app.errors import NoWayBack
from noria.app.promote import find_version
from noria.app.rollouts.rehearse import rehearse
from noria.records.rollouts import Rehearsal, RollbackDrilled
from noria.registry.moves import previous
from noria.registry.references import CHAMPION

if TYPE_CHECKING:
    from noria.app.wiring import App


def drill_rollback(app: App, model: str) -> Rehearsal:
    """Try the version that a rollback of the champion would go back to. Raises `NoWayBack`."""
    moves = (change for _, change in app.records.ledger.events(model, kinds=("alias.moved",)))
    back = previous(moves, CHAMPION)
    if back is None:
        raise NoWayBack(model=model, alias=CHAMPION)
    done = rehearse(app, find_version(app, f"{model}:{back}"))
    app.records.ledger.append(model, [RollbackDrilled(model=model, rehearsal=done)], at=app.clock.now())
    return done

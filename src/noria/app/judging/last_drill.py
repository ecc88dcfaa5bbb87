"""What the newest gate drill came to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noria.records.drills import Drill
from noria.records.events import GatesDrilled

if TYPE_CHECKING:
    from noria.app.wiring import App


def last_drill(app: App, model: str) -> Drill | None:
    """The newest report on a model's gates."""
    drill = None
    for _, change in app.records.ledger.events(model, kinds=("gates.drilled",)):
        drill = change.drill if isinstance(change, GatesDrilled) else drill
    return drill

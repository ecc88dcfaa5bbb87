"""In which interpreter a batch is answered: that of the version's own environment, as its service is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from noria.errors import NoriaError

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.records.versions import Version


def python_of(app: App, version: Version, note: Callable[[str], None]) -> Path | None:
    """None for this interpreter. So, too, said aloud, where the version's cannot be rebuilt: what it answers to rows of
    its own training data keeps a wrong one from being used."""
    from noria.app.environments.past import recorded, run_of

    try:
        with recorded(app, run_of(app, version.name)) as past:
            if past.here:
                return None
            wish = past.build()
            made = wish.found(app.shelf) or wish.built(app.shelf)
    except NoriaError as error:
        note(f"{version.name} is answered in this environment, for its own cannot be had: {error}")
        return None
    app.shelf.use(made)
    note(f"{version.name} is answered in its own environment, {made.folder.name[:12]}")
    return made.python

"""`python gc_killed.py PROJECT MOMENT`: a collection that is killed at a moment of its work.

MOMENT is `before` or `after` the event, `removing` (some objects are gone), or `beside` (all are, the rest is not).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from noria.adapters import folder
from noria.app import gc
from noria.app.wiring import open_app
from noria.records.policy import KeepPolicy


def die(*_: Any, **__: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(call: Callable[..., Any], after: int) -> Callable[..., Any]:
    """The call, until it has been made so often."""
    made = []

    def counted(*words: Any, **more: Any) -> Any:
        if len(made) == after:
            die()
        made.append(1)
        return call(*words, **more)

    return counted


def main(project: str, moment: str) -> None:
    with open_app(Path(project)) as app:
        if moment == "before":
            app.records.ledger.append = die  # type: ignore[method-assign]
        elif moment == "after":
            app.store.remove = die  # type: ignore[attr-defined]
        elif moment == "removing":
            folder._removed = dying(folder._removed, 5)
        else:
            gc.remove_found = die  # type: ignore[assignment]
        gc.collect(app, keep=KeepPolicy(runs=1, seconds=0.0), at_once=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

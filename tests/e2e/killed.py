"""`python killed.py PROJECT MOMENT AS_OF`: a run of the demand project that is killed around its last transaction.

MOMENT is `before` the append, `within` the transaction (the version and its verdicts are written, the alias not), or
`after` it is committed and before anybody hears of it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from noria.adapters.sql import ledger as writing
from noria.app.asking import Wish
from noria.app.train import train
from noria.app.wiring import App, open_app
from noria.pipeline.drive import Silent
from noria.records.events import AliasMoved, RunFinished


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def around_the_append(app: App, moment: str) -> None:
    append = app.records.ledger.append

    def wrapped(model: str, changes: Any, *, at: datetime) -> Any:
        last = any(isinstance(change, RunFinished) for change in changes)
        assert not last or any(isinstance(change, AliasMoved) for change in changes), (
            "this run should promote"
        )
        if last and moment == "before":
            die()
        events = append(model, changes, at=at)
        if last and moment == "after":
            die()
        return events

    app.records.ledger.append = wrapped  # type: ignore[method-assign]


def within_the_transaction() -> None:
    apply: Callable[..., Any] = writing.apply

    def wrapped(connection: Any, outline: Any, seq: int) -> Any:
        if isinstance(outline.change, AliasMoved):
            die()
        return apply(connection, outline, seq)

    writing.apply = wrapped  # type: ignore[attr-defined]


def main(folder: str, moment: str, as_of: str) -> None:
    with open_app(Path(folder)) as app:
        if moment == "within":
            within_the_transaction()
        else:
            around_the_append(app, moment)
        train(app, "demand", Wish(as_of=datetime.fromisoformat(as_of)), Silent())


if __name__ == "__main__":
    main(*sys.argv[1:])

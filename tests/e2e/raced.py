"""`python raced.py PROJECT AS_OF`: a run whose promotion meets a person who was quicker, and moved champion to 2."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from noria.app.asking import Wish
from noria.app.promote import promote
from noria.app.train import train
from noria.app.wiring import App, open_app
from noria.pipeline.drive import Silent
from noria.records.events import AliasMoved


def a_person_is_quicker(app: App) -> None:
    append = app.records.ledger.append

    def wrapped(model: str, changes: Any, *, at: datetime) -> Any:
        if any(isinstance(change, AliasMoved) for change in changes):
            app.records.ledger.append = append  # type: ignore[method-assign]
            promote(app, f"{model}:2", by="a person", force=True)
        return append(model, changes, at=at)

    app.records.ledger.append = wrapped  # type: ignore[method-assign]


def main(folder: str, as_of: str) -> None:
    with open_app(Path(folder)) as app:
        a_person_is_quicker(app)
        done = train(app, "demand", Wish(as_of=datetime.fromisoformat(as_of)), Silent())
        passed = done.judgement is not None and done.judgement.passed
        print(
            json.dumps(
                {"version": done.version and done.version.number, "passed": passed, "moved": bool(done.moved)}
            )
        )


if __name__ == "__main__":
    main(*sys.argv[1:])

"""`noria drill rollback`"""

from __future__ import annotations

from noria.app.rollouts.drill import drill_rollback
from noria.app.wiring import App
from noria.cli.render import fields, say, say_json
from noria.records.rollouts import Rehearsal


def drilled(app: App, model: str, *, json: bool) -> int:
    """Try the way back and say what came of it; the exit code."""
    done = drill_rollback(app, model)
    if json:
        say_json(done)
    else:
        say(*_lines(model, done))
    return 0 if done.passed else 1


def _lines(model: str, done: Rehearsal) -> list[str]:
    same = {True: "the same", False: "OTHERS", None: "none in the log to compare with"}[done.same]
    return [
        f"{model}:{done.version} {'can' if done.passed else 'CANNOT'} be gone back to",
        *fields(
            [
                ("whole", "yes" if done.whole else "no"),
                ("came up in", f"{done.seconds:.1f} s" if not done.problem else None),
                ("answers", f"{same}, {done.rows} rows" if done.rows else same),
                ("problem", done.problem),
            ]
        ),
    ]

"""What the steps of a run printed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from noria.app.errors import UnknownStep
from noria.app.read import find_run
from noria.records.base import Digest, Record
from noria.records.runs import Failed, Reused

if TYPE_CHECKING:
    from noria.app.wiring import App


class StepLog(Record, kw_only=True):
    """One step's output, Python's, C's and that of processes it started, as it came."""

    step: str
    run: str
    """The run that printed it: another one where the result was reused."""
    attempt: int = 0
    """Of attempts that failed, from 1; 0: the last one."""
    failed: bool = False
    text: str


def logs(app: App, run: str, step: str | None = None) -> Iterator[StepLog]:
    """The logs of a run's finished steps in order, then of the one that failed; of one step (or item) alone when it is
    named. Steps that printed nothing are left out. Raises `UnknownRun`, and `UnknownStep` for a step that the run does
    not have.
    """
    view = find_run(app, run)
    results = app.records.runs.steps(view.run.asked.model, view.run.number)
    failed = view.outcome if isinstance(view.outcome, Failed) else None
    names = [*(result.step for result in results), *([failed.step] if failed else [])]
    if step is not None and not any(_means(step, name) for name in names):
        raise UnknownStep(name=step, pipeline=view.name, known=names)
    for result in results:
        if step is None or _means(step, result.step):
            source = result.reason.run if isinstance(result.reason, Reused) else view.name
            for number, digest in enumerate(result.tried, start=1):
                yield _log(app, result.step, source, digest, attempt=number, failed=True)
            if result.log:
                yield _log(app, result.step, source, result.log)
    if failed and failed.log and (step is None or _means(step, failed.step)):
        yield _log(app, failed.step, view.name, failed.log, failed=True)


def _means(asked: str, name: str) -> bool:
    """`score` means all of its items, too."""
    return name == asked or name.startswith(f"{asked}[")


def _log(app: App, step: str, run: str, digest: Digest, *, attempt: int = 0, failed: bool = False) -> StepLog:
    text = app.store.get(digest).decode(errors="replace")
    return StepLog(step=step, run=run, attempt=attempt, failed=failed, text=text)

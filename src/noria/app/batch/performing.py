"""The parts of a batch, on the engine: as many at once as it has room for, each noted as soon as it is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from noria.app.batch.errors import PartsFailed
from noria.app.batch.interpreter import python_of
from noria.app.batch.output import Output
from noria.errors import NoriaError
from noria.ports.engine import Broke, Ended, Engine, Job
from noria.records.batches import PartDone, Piece, Work
from noria.records.needs import Retry
from noria.records.tasks import Predict, Predicted
from noria.records.versions import Version

if TYPE_CHECKING:
    from noria.app.wiring import App

AHEAD = 64  # jobs that the engine has: more than any machine has cores, so that none waits for us
GIVES_UP = 10  # failed parts: whatever fails so often fails everywhere
LOST = Retry(lost=2, memory=1)

Told = Callable[["Progress"], None]


@dataclass
class Progress:
    """How far a batch is."""

    parts: int
    known: int = 0
    """Parts that were there already."""
    done: list[PartDone] = field(default_factory=list)
    failed: dict[str, NoriaError] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.done)


def performed(
    app: App,
    version: Version,
    work: Work,
    output: Output,
    *,
    batch_rows: int,
    told: Told,
    note: Callable[[str], None],
) -> Progress:
    """All parts of a batch, those that are not there yet on the engine. Raises `PartsFailed`."""
    from noria.pipeline.retrying import Retrying

    there = output.done(work)
    progress = Progress(len(work.pieces), len(there), list(there.values()))
    waiting = [piece for piece in work.pieces if piece.part not in there]
    if waiting:
        python = python_of(app, version, note)
        with closing(
            app.engine(app.code(version.code), threads=1)
        ) as engine:  # as a service's workers: one thread each
            jobs = (_job(version, work, piece, output, batch_rows, python) for piece in waiting)
            _perform(Retrying(engine), jobs, output, progress, told)
    if progress.failed:
        raise _failure(progress)
    return progress


def _job(
    version: Version, work: Work, piece: Piece, output: Output, batch_rows: int, python: Path | None
) -> Job:
    task = Predict(
        version=version,
        input=work.input,
        file=work.files[piece.file],
        piece=piece,
        output=output.place.url,
        columns=work.columns,
        on_refused=work.on_refused,
        batch_rows=batch_rows,
    )
    return Job(id=piece.part, task=task, python=python, retry=LOST)


def _perform(engine: Engine, jobs: Iterator[Job], output: Output, progress: Progress, told: Told) -> None:
    """Until all are done, or so many have failed that the rest would."""
    under_way: set[str] = set()
    while True:
        while (
            len(under_way) < AHEAD
            and len(progress.failed) < GIVES_UP
            and (job := next(jobs, None)) is not None
        ):
            engine.submit(job)
            under_way.add(job.id)
        if not under_way:
            return
        for happened in engine.wait():
            if isinstance(happened, Ended) and isinstance(happened.done, Predicted):
                output.keep(happened.done.part)
                progress.done.append(happened.done.part)
            elif isinstance(happened, Broke):
                progress.failed[happened.id] = happened.error
            else:
                continue
            under_way.discard(happened.id)
            told(progress)


def _failure(progress: Progress) -> PartsFailed:
    lines = []
    for part, error in sorted(progress.failed.items()):
        lines += [
            f"{part}: {error.code}: {line}" if not at else f"  {line}"
            for at, line in enumerate(str(error).splitlines())
        ]
    return PartsFailed(
        failed=len(progress.failed), parts=progress.parts, done=len(progress.done), why="\n".join(lines)
    )

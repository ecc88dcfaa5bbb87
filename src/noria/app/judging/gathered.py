"""What a candidate answers to the rows that it is judged by, each thing asked for once and only when a gate needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from noria.gates.paired import Paired, pair
from noria.ports.engine import Engine, ask
from noria.records.artifacts import Artifact
from noria.records.base import Digest
from noria.records.tasks import Answer, Answered, Score, Scored
from noria.records.versions import Quality, Version

if TYPE_CHECKING:
    import pyarrow as pa

    from noria.app.wiring import App

NO_LOSS = "the pipeline has no loss"


@dataclass(frozen=True)
class Ground:
    """The rows that a candidate is judged by."""

    rows: Artifact
    """A data step's output."""
    keys: Artifact | None
    """Of the rows that count; None: all but those that the candidate was trained on."""
    data: Digest | None = None
    """Of the rows, where they are others than the version's own."""


def own_ground(version: Version) -> Ground:
    """Its holdout, as it was cut when it was trained."""
    return Ground(rows=version.rows, keys=version.holdout)


class Gathered:
    """A candidate on its ground. For one thread; raises what its code raises."""

    def __init__(self, app: App, candidate: Version, engine: Engine, ground: Ground, block: str) -> None:
        """`engine`: workers on the candidate's own source tree."""
        self.candidate = candidate
        self.ground = ground
        self.block = block
        self._app = app
        self._engine = engine

    @cached_property
    def answered(self) -> Answered:
        """The rows with the candidate's answers."""
        return ask(self._engine, self.answering(self.ground.rows), Answered)

    def answering(self, rows: Artifact) -> Answer:
        """The task that answers those of some rows that count."""
        one = self.candidate
        if self.ground.keys is not None or self.ground.data is None:
            return Answer(graph=one.graph, rows=rows, keys=self.ground.keys)
        return Answer(graph=one.graph, rows=rows, seen=one.rows, kept=one.holdout)

    def answers(self, rows: Artifact) -> Answered:
        """The candidate's answers to all rows of another table."""
        return ask(self._engine, Answer(graph=self.candidate.graph, rows=rows), Answered)

    @cached_property
    def quality(self) -> Quality | None:
        """The candidate's loss; None for a pipeline without one."""
        if self.candidate.quality is None or self.candidate.quality.losses is None:
            return None
        return self.candidate.quality if self.ground.data is None else self.scored(self.answered)

    @property
    def losses(self) -> Artifact | None:
        return self.quality.losses if self.quality else None

    def scored(self, answered: Answered) -> Quality:
        """The loss of some answers, by the candidate's own loss."""
        return quality_of(self._engine, self.candidate.graph.pipeline, answered)

    def paired(self, other: Version, segments: tuple[str, ...]) -> Paired | str:
        """The losses of both versions on the same rows, without those that the other was trained on."""
        if self.quality is None or self.quality.losses is None:
            return NO_LOSS
        keys = self.ground.keys if self.ground.data is None else self.answered.rows
        task = Answer(
            graph=other.graph, rows=self.ground.rows, keys=keys, seen=other.rows, kept=other.holdout
        )
        with self._workers(other) as engine:
            answered = ask(engine, task, Answered)
        theirs = self.scored(answered)
        if theirs.losses is None:
            return f"{other.name} left no losses"
        return self.beside(
            theirs.losses, other.name, left_out=answered.left_out, segments=self._segments(segments)
        )

    @contextmanager
    def _workers(self, other: Version) -> Iterator[Engine]:
        """Workers on another version's source tree: the candidate's own, where that is the same."""
        if other.code == self.candidate.code:
            yield self._engine
            return
        with workers_of(self._app, other) as engine:
            yield engine

    def beside(
        self, theirs: Artifact, name: str, *, left_out: int = 0, segments: pa.Table | None = None
    ) -> Paired | str:
        """The candidate's losses minus others' of the same rows."""
        if self.quality is None or self.quality.losses is None:
            return NO_LOSS
        signature = self.candidate.signature
        return pair(
            self._app.artifacts.table(self.quality.losses),
            self._app.artifacts.table(theirs),
            key=signature.key,
            time=signature.time,
            left_out=left_out,
            range=self.quality.range,
            other_name=name,
            block=self.block,
            segments=segments,
        )

    def _segments(self, columns: tuple[str, ...]) -> pa.Table | None:
        """Those of the columns that the raw rows have, beside the key."""
        if not columns:
            return None
        rows = self._app.artifacts.table(self.ground.rows)
        key = self.candidate.signature.key
        return rows.select(
            [*key, *(name for name in columns if name in rows.column_names and name not in key)]
        )


def quality_of(engine: Engine, pipeline: str, answered: Answered) -> Quality:
    """The loss of some answers, by the loss of the pipeline in the engine's own source tree."""
    task = Score(pipeline=pipeline, rows=answered.rows, answers=answered.answers, kind=answered.kind)
    return ask(engine, task, Scored).quality


@contextmanager
def workers_of(app: App, version: Version) -> Iterator[Engine]:
    """Workers on a version's own source tree."""
    with closing(app.engine(app.code(version.code))) as engine:
        yield engine

"""The pipeline's expectations, each asked of the candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noria.app.judging.gathered import Gathered
from noria.artifacts.unframed import array_of
from noria.declare import ExpectSpec, Resolved
from noria.errors import ConfigError, StepFailed
from noria.gates.expectations import Changed
from noria.ports.engine import Engine, ask
from noria.records.artifacts import Artifact
from noria.records.expectations import Expected
from noria.records.tasks import Alter, Altered

if TYPE_CHECKING:
    import pyarrow as pa

    from noria.app.wiring import App


def expectations_of(resolved: Resolved) -> tuple[Expected, ...]:
    """What the pipeline's functions say, in the order of the file."""
    found = []
    for step in resolved.expectations.values():
        if isinstance(step.spec, ExpectSpec):
            spec = step.spec
            found.append(
                Expected(
                    name=step.name, holds=spec.holds, within=spec.within, share=spec.share, answer=spec.answer
                )
            )
    return tuple(found)


def answers_to_changes(
    app: App, expectations: tuple[Expected, ...], pipeline: str, gathered: Gathered, engine: Engine
) -> list[tuple[Expected, Changed | str]]:
    """Each with the candidate's answers before and after; a sentence where it could not be asked. `engine`: workers on the
    tree whose functions change the rows, `pipeline` in there."""
    answers: dict[str, Artifact] = {}
    return [(one, _changed(app, one, pipeline, gathered, engine, answers)) for one in expectations]


def _changed(
    app: App,
    one: Expected,
    pipeline: str,
    gathered: Gathered,
    engine: Engine,
    answers: dict[str, Artifact],
) -> Changed | str:
    task = Alter(pipeline=pipeline, expectation=one.name, rows=gathered.answered.rows)
    try:
        altered = ask(engine, task, Altered)
        before, after = (_answers(gathered, rows, answers) for rows in (altered.before, altered.after))
    except (StepFailed, ConfigError) as error:
        return f"it could not be asked: {error.headline()}"
    table = app.artifacts.table
    return Changed(
        keys=_keys(table(altered.before), gathered.candidate.signature.key),
        before=table(before),
        after=table(after),
        changed=altered.changed,
    )


def _answers(gathered: Gathered, rows: Artifact, known: dict[str, Artifact]) -> Artifact:
    """The same rows are asked once."""
    if rows.digest not in known:
        known[rows.digest] = gathered.answers(rows).answers
    return known[rows.digest]


def _keys(rows: pa.Table, key: tuple[str, ...]) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    return rows.select(list(key)) if key else pa.table({"row": array_of(np.arange(rows.num_rows))})

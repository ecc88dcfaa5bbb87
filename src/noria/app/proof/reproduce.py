"""A version rebuilt and compared, artifact by artifact; what differs is explained."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from msgspec.structs import replace

from noria.app.promote import find_version
from noria.app.proof.causes import Explained, explained
from noria.app.proof.places import differs
from noria.app.proof.rebuild import Rebuilt, engine, rebuilt
from noria.artifacts.likeness import likeness
from noria.ports.engine import ask
from noria.records.artifacts import Artifact
from noria.records.events import Proved
from noria.records.proofs import Compared, Proof, Sameness
from noria.records.runs import Run, StepResult
from noria.records.tasks import Answer, Answered
from noria.records.versions import Version

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.pipeline.listen import Listener

TOLERANCE = 1e-6  # relative: what another processor's rounding makes of sums of a million terms
WORSE: Sequence[Sameness] = ("bit", "tolerance", "different")


def reproduce(app: App, text: str, listener: Listener, *, tolerance: float = TOLERANCE) -> Proof:
    """Rebuild a version from its record alone and compare; the proof is appended to the model's chain.

    `bit`: every artifact has the recorded digest. `tolerance`: some bytes differ, but every metric, and every answer
    on the holdout, is within `tolerance` (relative) of the recorded. Raises `UnknownVersion`, and what keeps a rebuild
    from coming about at all: code or data that is gone, a step that fails.
    """
    version = find_version(app, text)
    found = app.records.runs.run(version.model, version.run)
    if found is None:
        raise RuntimeError(f"{version.name} has no run")
    steps = app.records.runs.steps(version.model, version.run)
    proof = prove(app, version, found[0], steps, listener, tolerance=tolerance)
    app.records.ledger.append(version.model, [Proved(proof=proof)], at=app.clock.now())
    return proof


def prove(
    app: App,
    version: Version,
    run: Run,
    steps: Iterable[StepResult],
    listener: Listener,
    *,
    tolerance: float = TOLERANCE,
) -> Proof:
    """The proof of a version, registered or not; appends nothing."""
    started = time.perf_counter()
    recorded = {result.step: result for result in steps}
    with rebuilt(app, run, version.graph.pipeline, recorded, listener) as again:
        compared = _compared(app, recorded, again, tolerance)
        same = _sameness(app, version, compared, again, tolerance)
        first = next((one for one in compared if one.same != "bit"), None)
        told = explained(app, recorded, again, first.step) if first else None
        now = app.provenance_now(again.root)
        elsewhere = differs(app, again)
    return Proof(
        model=version.model,
        version=version.number,
        at=app.clock.now(),
        same=same,
        compared=compared,
        diverged=first.step if first else None,
        causes=told.causes if told else (),
        why=_with(told.why if told else _all_the_same(compared, again), elsewhere, told),
        tolerance=tolerance,
        environment=now.environment,
        machine=replace(now.machine, threads=again.threads),
        seconds=time.perf_counter() - started,
    )


def _compared(
    app: App, recorded: Mapping[str, StepResult], again: Rebuilt, tolerance: float
) -> tuple[Compared, ...]:
    """Every output of every step but data, which was given; lists of items stand behind the items themselves."""
    found = []
    for name, result in again.results.items():
        before = recorded.get(name)
        if result.role == "data" or before is None:
            continue
        for output, artifact in result.outputs.items():
            if output in before.outputs:
                found.append(_beside(app, name, output, before.outputs[output], artifact, tolerance))
    return tuple(found)


def _beside(app: App, step: str, output: str, before: Artifact, now: Artifact, tolerance: float) -> Compared:
    same, how = likeness(before, now, tolerance, app.artifacts)
    return Compared(step=step, output=output, recorded=before.digest, rebuilt=now.digest, same=same, how=how)


def _sameness(
    app: App, version: Version, compared: Sequence[Compared], again: Rebuilt, tolerance: float
) -> Sameness:
    """Bit for bit; else by what counts of a version: its metrics and its answers on the holdout."""
    if all(one.same == "bit" for one in compared):
        return "bit"
    judged = [one.same for one in compared if _is_metrics(again, one.step)]
    judged.append(_answers(app, version, again, tolerance))
    return max(judged, key=WORSE.index) if max(judged, key=WORSE.index) != "bit" else "tolerance"


def _is_metrics(again: Rebuilt, step: str) -> bool:
    return again.results[step].role == "metrics"


def _answers(app: App, version: Version, again: Rebuilt, tolerance: float) -> Sameness:
    """Both versions' answers to the same raw rows: those of the holdout, or all where there is none."""
    frozen = {name: again.outputs[name] for name in version.graph.frozen}
    with closing(engine(app, again.root, again.run)) as workers:
        first, second = (
            ask(workers, Answer(graph=graph, rows=version.rows, keys=version.holdout), Answered).answers
            for graph in (version.graph, replace(version.graph, frozen=frozen))
        )
    return likeness(first, second, tolerance, app.artifacts)[0]


def _with(why: str, elsewhere: str, told: Explained | None) -> str:
    """A rebuild in another environment says so, even where that made no difference."""
    if not elsewhere or (told and "environment" in told.causes):
        return why
    return f"{why}; the environment is another one: {elsewhere}"


def _all_the_same(compared: Sequence[Compared], again: Rebuilt) -> str:
    given = [name for name, result in again.results.items() if result.role == "data"]
    mutated = [
        f"{name}: {note}"
        for name, result in again.results.items()
        for note in result.notes
        if "changes what" in note
    ]
    taken = f"; data ({', '.join(given)}) was taken by its digest" if given else ""
    beside = f"; but {'; '.join(mutated)}" if mutated else ""
    return f"all {len(compared)} artifacts have the recorded bytes{taken}{beside}"

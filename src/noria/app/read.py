"""What is stored, gathered for a reader: runs, versions and models as they stand now."""

from __future__ import annotations

import os
import re
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from noria.app.drivers import study_lease
from noria.app.errors import BadReference, UnknownRun
from noria.app.gone import Gone, gone
from noria.app.judging.last_drill import last_drill
from noria.app.promote import find_version
from noria.errors import NotFound
from noria.records.base import Digest, Record
from noria.records.drills import Drill
from noria.records.events import AliasMoved, Proved
from noria.records.gates import Judgement
from noria.records.proofs import Proof
from noria.records.runs import Abandoned, Failed, Interrupted, NewRun, Outcome, Pruned, Run, StepResult
from noria.records.versions import Version

if TYPE_CHECKING:
    from noria.app.wiring import App

State = Literal["running", "killed", "succeeded", "failed", "interrupted", "abandoned", "pruned"]

TAIL = 20  # lines of a log that a reader sees at once: about half a screen
REFERENCE = re.compile(r"(?P<model>[A-Za-z_][A-Za-z0-9_-]*)/(?P<number>\d+|last)")


class RunView(Record, kw_only=True):
    """A run and how it ended."""

    name: str
    state: State
    run: Run
    finished: datetime | None = None
    outcome: Outcome | None = None


class Tail(Record, kw_only=True):
    """The end of what a step printed."""

    step: str
    log: Digest
    lines: tuple[str, ...]
    more: int = 0
    """Lines above these."""


class RunDetail(Record, kw_only=True):
    """A run with its steps, and the version that came of it."""

    view: RunView
    steps: tuple[StepResult, ...]
    version: Version | None = None
    judgement: Judgement | None = None
    tail: Tail | None = None
    """What the failed step printed last."""


class Moved(Record, kw_only=True):
    """An alias that came to or left a version."""

    at: datetime
    move: AliasMoved


class VersionView(Record, kw_only=True):
    """A version as a list shows it."""

    name: str
    version: Version
    aliases: tuple[str, ...] = ()
    judgement: Judgement | None = None
    """The newest."""


class VersionDetail(Record, kw_only=True):
    """A version with everything that was decided about it, and the run that made it."""

    view: VersionView
    judgements: tuple[Judgement, ...]
    """The newest first."""
    moves: tuple[Moved, ...]
    run: RunView | None = None
    gone: Gone | None = None
    """What `noria gc` took of it; None while it can be used."""
    drill: Drill | None = None
    """The newest drill of its model's gates."""
    proof: Proof | None = None
    """What came of its newest rebuild."""


class ModelView(Record, kw_only=True):
    """A model of noria.toml, or one that only the records still know."""

    name: str
    configured: bool
    aliases: dict[str, int]
    versions: tuple[VersionView, ...]
    """The newest first."""


def list_runs(app: App, model: str | None = None, *, last: int = 20) -> tuple[RunView, ...]:
    """The newest first; of every model when none is given. Raises `UnknownModel`."""
    if model is not None:
        _known(app, model)
    return tuple(_run_view(app, *found) for found in app.records.runs.runs(model, last=last))


def read_run(app: App, text: str) -> RunDetail:
    """A run by its name: `delay/3`, or `delay/last`. Raises `UnknownRun`, `BadReference`."""
    view = find_run(app, text)
    model, outcome = view.run.asked.model, view.outcome
    number = getattr(outcome, "version", None)
    version = app.records.versions.version(model, number) if number else None
    return RunDetail(
        view=view,
        steps=tuple(app.records.runs.steps(model, view.run.number)),
        version=version,
        judgement=_judgement(app, version) if version else None,
        tail=_tail(app, outcome.step, outcome.log) if isinstance(outcome, Failed) and outcome.log else None,
    )


def find_run(app: App, text: str) -> RunView:
    """The run that a person names. Raises `UnknownRun`, `BadReference`."""
    match = REFERENCE.fullmatch(text)
    if match is None:
        raise BadReference(text=text, kind="run", example="delay/3 or delay/last")
    _known(app, match["model"])
    if match["number"] == "last":
        newest = app.records.runs.runs(match["model"], last=1)
        found = newest[0] if newest else None
    else:
        found = app.records.runs.run(match["model"], int(match["number"]))
    if found is None:
        raise UnknownRun(name=text)
    return _run_view(app, *found)


def read_version(app: App, text: str) -> VersionDetail:
    """A version by its name: `delay:3`, `delay@champion`, `delay`. Raises `UnknownVersion`, `BadReference`."""
    version = find_version(app, text)
    made = app.records.runs.run(version.model, version.run)
    return VersionDetail(
        view=_version_view(app, version, app.records.versions.aliases(version.model)),
        judgements=tuple(app.records.versions.judgements(version.model, version.number)),
        moves=tuple(
            Moved(at=event.at, move=change)
            for event, change in app.records.ledger.events(version.model, kinds=["alias.moved"])
            if isinstance(change, AliasMoved) and version.number in (change.before, change.after)
        ),
        run=_run_view(app, *made) if made else None,
        gone=gone(app, version),
        drill=last_drill(app, version.model),
        proof=_proof(app, version),
    )


def _proof(app: App, version: Version) -> Proof | None:
    events = app.records.ledger.events(version.model, kinds=["version.proved"])
    proofs = [change.proof for _, change in events if isinstance(change, Proved)]
    return next((one for one in reversed(proofs) if one.version == version.number), None)


def read(app: App, text: str) -> RunDetail | VersionDetail:
    """A run or a version, by the form of its name: a run's has a slash."""
    return read_run(app, text) if "/" in text else read_version(app, text)


def list_models(app: App, model: str | None = None) -> tuple[ModelView, ...]:
    """Every model of noria.toml and of the records, or the one. Raises `UnknownModel`."""
    configured = [policy.name for policy in app.policy.models]
    stored = app.records.versions.models()
    names = [model] if model else [*configured, *(name for name in stored if name not in configured)]
    if model:
        _known(app, model)
    return tuple(_model_view(app, name, name in configured) for name in names)


def running(pid: int) -> bool:
    """Whether a process of this machine is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is there, and somebody else's
        return True
    return True


def _known(app: App, model: str) -> None:
    """Raises `UnknownModel` for a name that stands neither in noria.toml nor in the records."""
    if (
        all(policy.name != model for policy in app.policy.models)
        and model not in app.records.versions.models()
    ):
        app.model(model)


def _run_view(app: App, run: Run, finished: datetime | None, outcome: Outcome | None) -> RunView:
    return RunView(
        name=run.name, state=_state(app, run, outcome), run=run, finished=finished, outcome=outcome
    )


def _state(app: App, run: Run, outcome: Outcome | None) -> State:
    match outcome:
        case Failed():
            return "failed"
        case Abandoned():
            return "abandoned"
        case Pruned():
            return "pruned"
        case None | Interrupted() if _at_work(app, run.asked):  # an interrupted run may be going on
            return "running"
        case None:
            return "killed"
        case Interrupted():
            return "interrupted"
    return "succeeded"


def _at_work(app: App, asked: NewRun) -> bool:
    """Whether somebody holds the right to run the model, or of a trial its study."""
    trigger = asked.trigger
    name = study_lease(asked.model, trigger.study) if trigger.kind == "trial" else asked.model
    return app.leases.holder(name) is not None


def _judgement(app: App, version: Version) -> Judgement | None:
    judgements = app.records.versions.judgements(version.model, version.number)
    return judgements[0] if judgements else None


def _version_view(app: App, version: Version, aliases: dict[str, int]) -> VersionView:
    return VersionView(
        name=version.name,
        version=version,
        aliases=tuple(sorted(alias for alias, number in aliases.items() if number == version.number)),
        judgement=_judgement(app, version),
    )


def _model_view(app: App, name: str, configured: bool) -> ModelView:
    aliases = app.records.versions.aliases(name)
    return ModelView(
        name=name,
        configured=configured,
        aliases=aliases,
        versions=tuple(
            _version_view(app, version, aliases) for version in app.records.versions.versions(name)
        ),
    )


def _tail(app: App, step: str, log: Digest) -> Tail | None:
    """None for a log that `noria gc` has removed."""
    try:
        lines = app.store.get(log).decode(errors="replace").splitlines()
    except NotFound:
        return None
    return Tail(step=step, log=log, lines=tuple(lines[-TAIL:]), more=max(0, len(lines) - TAIL))

"""The gate drill: candidates with known faults go through the real judging, and what catches each is told.

Out of the newest version's run: the recorded code, data, parameters and seed. A fault is planted into the data or into the
model, the steps below it run anew, and the candidate that comes of it meets today's gates beside today's champion. None is
registered or promoted; what is left of it is one event with the report.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace

from noria.app.gone import require_whole
from noria.app.judging.asked import with_standing_gates
from noria.app.judging.broken import nan_weights, slow_model
from noria.app.judging.field import Field, Grown, open_field
from noria.app.judging.plants import DATA_PLANTS, CannotPlant
from noria.errors import ConfigError, NotFound, StepFailed
from noria.records.drills import Caught, Drill, Plant
from noria.records.events import GatesDrilled
from noria.records.gates import Approved, Gate, Judgement, Outcome, Reproducible, Verdict

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.pipeline.listen import Listener
    from noria.records.versions import Version


@dataclass(eq=False)
class NothingToDrill(NotFound):
    code: ClassVar[str] = "DRILL-NO-VERSION"
    what: ClassVar[str] = "{model} has no version to plant faults into"
    next: ClassVar[str] = "noria run {model}"
    model: str


Told = Callable[[Plant], None]
"""Hears of each planted candidate as soon as it was judged."""


def drill_gates(
    app: App, model: str | None, listener: Listener, told: Told, *, dry_run: bool = False
) -> Drill:
    """The report, appended to the model's chain unless it is a `dry_run`. Raises `NothingToDrill`, `VersionGone`, `Busy`,
    and what keeps the run's code or data from being had."""
    policy = app.model(model)
    version = _newest(app, policy.name)
    require_whole(app, version)
    asked, left_out = _askable(with_standing_gates(policy.gates))
    with app.alone(policy.name), open_field(app, policy, version, asked, listener) as field:
        control = field.judge(Grown(version))
        sound = credited(control, version)
        plants = [_planted(field, name, make, sound, told) for name, make in _makers(app, field).items()]
        unsound = _unsound(field, control, sound)
    drill = Drill(
        model=policy.name,
        run=version.run,
        at=app.clock.now(),
        champion=control.champion,
        control=min(unsound.values(), key=_WORST.index, default="pass"),
        why="; ".join(unsound),
        gates=tuple(one.gate for one in control.verdicts),
        plants=tuple(plants),
        left_out=left_out,
    )
    if not dry_run:
        app.records.ledger.append(policy.name, [GatesDrilled(drill=drill)], at=drill.at)
    return drill


def _newest(app: App, model: str) -> Version:
    versions = app.records.versions.versions(model)
    if not versions:
        raise NothingToDrill(model=model)
    return versions[0]


def _askable(gates: list[Gate]) -> tuple[list[Gate], tuple[str, ...]]:
    """Gates that a candidate without a record can meet, and the names of the others."""
    names: dict[type[Gate], str] = {Approved: "approval", Reproducible: "reproducible"}
    kept = [gate for gate in gates if type(gate) not in names]
    return kept, tuple(names[type(gate)] for gate in gates if type(gate) in names)


Credited = Mapping[Outcome, frozenset[str]]
"""The gates whose verdicts on a planted candidate are due to its fault, by that verdict."""


def credited(control: Judgement, version: Version) -> Credited:
    """By what they say of the candidate without a fault: those that pass it. The champion cannot be shown to be better than
    itself, and need not be: a comparison with it that is undecided for that counts where it finds a fault worse, and not
    where it decides as little as before."""
    passing = {one.gate for one in control.verdicts if one.outcome == "pass"}
    itself = {
        one.gate
        for one in control.verdicts
        if one.outcome == "undecided" and one.evidence.get("against") == version.name
    }
    return {"fail": frozenset(passing | itself), "undecided": frozenset(passing)}


_WORST: tuple[Outcome, ...] = ("fail", "undecided", "pass")


def _unsound(field: Field, control: Judgement, sound: Credited) -> dict[str, Outcome]:
    """What does not pass the candidate without a fault, and counts for nothing: each sentence, and how it came out."""
    found: dict[str, Outcome] = {
        f"data check {one.check}: {one.what}": "fail" for one in field.refused_anyway
    }
    gates = [one for one in control.verdicts if one.gate not in sound["fail"]]
    return found | {f"{one.gate}: {one.why}": one.outcome for one in gates}


Maker = Callable[[], Grown]


def _makers(app: App, field: Field) -> dict[str, Maker]:
    """How each candidate is made, by its name; the faults of the data first, in the order of `DATA_PLANTS`."""
    makers: dict[str, Maker] = {name: partial(field.grow, name, sow) for name, sow in DATA_PLANTS.items()}
    makers["NaN weights"] = lambda: field.with_outputs(*nan_weights(app, field.version))
    makers["slow model"] = lambda: field.with_code(*slow_model(app, field.version))
    return makers


def _planted(field: Field, name: str, make: Maker, sound: Credited, told: Told) -> Plant:
    """One candidate, made and judged."""
    began = time.perf_counter()
    field.what = ""
    try:
        grown = make()
        plant = came_to(name, grown, field.judge(grown), sound)
    except CannotPlant as error:
        plant = Plant(name=name, what="", caught="not planted", why=f"the pipeline {error}")
    except (StepFailed, ConfigError) as error:
        why = error.headline()
        plant = Plant(name=name, what=field.what, caught="caught", by=(f"the run ({error.code})",), why=why)
    plant = replace(plant, seconds=round(time.perf_counter() - began, 3))
    told(plant)
    return plant


def came_to(name: str, grown: Grown, judgement: Judgement, sound: Credited) -> Plant:
    """A data check or a gate that fails it has caught it; one that can decide without the fault, and not with it, holds it
    back."""
    failing, undecided = (_of(judgement, sound, outcome) for outcome in ("fail", "undecided"))
    by = [*(f"data check {one.check}" for one in grown.findings), *(one.gate for one in failing)]
    reasons = [*(one.what for one in grown.findings), *(one.why for one in failing)]
    caught: Caught = "caught"
    if not by:
        by = [one.gate for one in undecided]
        reasons = [one.why for one in undecided]
        caught = "held back" if by else "missed"
    why = reasons[0] if reasons else ""
    return Plant(name=name, what=grown.what, caught=caught, by=tuple(by), why=why)


def _of(judgement: Judgement, sound: Credited, outcome: Outcome) -> list[Verdict]:
    return [one for one in judgement.verdicts if one.outcome == outcome and one.gate in sound[outcome]]

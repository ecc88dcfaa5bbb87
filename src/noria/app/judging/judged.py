"""Every gate's verdict on a version, with the evidence that each asks for, and no other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noria.app.judging.asked import anchor_of, asked_by, asks_for_anchor, with_anchor, with_standing_gates
from noria.app.judging.gathered import Gathered, Ground, own_ground
from noria.app.judging.shares import earlier, shared
from noria.app.living import lives
from noria.errors import ConfigError, StepFailed
from noria.gates.calibration import Forecasts
from noria.gates.costs import Measured
from noria.gates.expectations import Changed
from noria.gates.judge import Evidence, judge
from noria.gates.paired import Paired
from noria.gates.robustness import Perturbed
from noria.ports.engine import Engine
from noria.records.events import VersionApproved
from noria.records.expectations import Expected
from noria.records.gates import (
    ANCHOR,
    Approval,
    Approved,
    Better,
    Calibration,
    Comparing,
    Cost,
    Expectation,
    Gate,
    Judgement,
    NoWorse,
    Robustness,
)
from noria.records.policy import ModelPolicy
from noria.records.proofs import Proof
from noria.records.versions import Version
from noria.registry.references import CHAMPION

if TYPE_CHECKING:
    from noria.app.wiring import App


@dataclass(frozen=True)
class Expecting:
    """Expectations, and the workers whose tree holds their functions; its pipeline is `module:name`."""

    functions: tuple[Expected, ...]
    pipeline: str
    engine: Engine


@dataclass(frozen=True)
class Standing:
    """Whom the candidate meets: version numbers by the name that a gate calls them."""

    champion: int | None
    others: Mapping[str, int]


def judged(
    app: App,
    policy: ModelPolicy,
    version: Version,
    engine: Engine,
    *,
    proof: Proof | None = None,
    expecting: Expecting | None = None,
    ground: Ground | None = None,
    gates: Sequence[Gate] | None = None,
    stand_in: int | None = None,
) -> Judgement:
    """The judgement as things stand now; appends nothing. `engine`: workers on the version's own tree. `ground`: the rows;
    None: its holdout. `gates`: just these, in the place of the policy's and of those that stand by themselves. `stand_in`:
    who is champion where there is none."""
    asked = with_standing_gates(policy.gates) if gates is None else list(gates)
    standing = _standing(app, version, asked, stand_in)
    met = list(with_anchor(asked, standing.others.get(ANCHOR)))
    gathered = Gathered(app, version, engine, ground or own_ground(version), policy.monitor.block)
    met = _shared(app, gathered, met, standing)
    evidence = _evidence(app, gathered, met, standing, proof, expecting)
    return Judgement(
        model=version.model,
        version=version.number,
        champion=standing.champion,
        judged=app.clock.now(),
        verdicts=judge(met, evidence),
        anchor=standing.others.get(ANCHOR),
        data=gathered.ground.data,
        asked=asked_by(policy) if gates is None else None,
    )


def approval_of(app: App, model: str, version: int) -> Approval | None:
    """The last word that a person gave on a version."""
    found = None
    for _, change in app.records.ledger.events(model, kinds=("version.approved",)):
        if isinstance(change, VersionApproved) and change.approval.version == version:
            found = change.approval
    return found


def _standing(app: App, version: Version, gates: Sequence[Gate], stand_in: int | None) -> Standing:
    aliases = app.records.versions.aliases(version.model)
    champion = aliases.get(CHAMPION, stand_in)
    others = {**aliases, CHAMPION: champion} if champion else dict(aliases)
    others.pop(ANCHOR, None)  # an alias of that name is not who is meant
    for gate in gates:
        if isinstance(gate, NoWorse | Better) and ":" in gate.than:
            others[gate.than] = int(gate.than.rpartition(":")[2])
    if CHAMPION in aliases and asks_for_anchor(gates):
        anchor = anchor_of(
            change for _, change in app.records.ledger.events(version.model, kinds=("alias.moved",))
        )
        if anchor is not None and anchor not in (champion, version.number):
            others[ANCHOR] = anchor
    return Standing(champion=champion, others={name: each for name, each in others.items() if each})


def _shared(app: App, gathered: Gathered, gates: Sequence[Gate], standing: Standing) -> list[Gate]:
    """Each with its share of alpha, where anybody was judged by these rows before."""
    if not any(isinstance(gate, NoWorse | Better | Calibration | Robustness) for gate in gates):
        return list(gates)
    before = earlier(app, gathered.candidate, gathered.losses, gathered.ground.data)
    model = gathered.candidate.model
    return [
        shared(gate, before.attempts(gate, f"{model}:{standing.others.get(_than(gate), 0)}"))
        for gate in gates
    ]


def _than(gate: Gate) -> str:
    return gate.than if isinstance(gate, NoWorse | Better) else ""


def _evidence(
    app: App,
    gathered: Gathered,
    gates: Sequence[Gate],
    standing: Standing,
    proof: Proof | None,
    expecting: Expecting | None,
) -> Evidence:
    version = gathered.candidate
    robustness = next((gate for gate in gates if isinstance(gate, Robustness)), None)
    return Evidence(
        metrics=_metrics(gathered),
        paired=_paired(app, gathered, gates, standing),
        proof=proof,
        forecasts=_forecasts(app, gathered) if _any(gates, Calibration) else None,
        costs=_costs(app, gathered, gates),
        size=_size(version, gates),
        perturbed=_perturbed(app, gathered, robustness),
        expected=_expected(app, gathered, expecting) if _any(gates, Expectation) and expecting else (),
        candidate=version,
        champion=app.records.versions.version(version.model, standing.champion)
        if standing.champion
        else None,
        served=_is_served(app, version.model, standing.champion),
        approval=approval_of(app, version.model, version.number) if _any(gates, Approved) else None,
    )


def _any(gates: Iterable[Gate], kind: type[Gate]) -> bool:
    return any(isinstance(gate, kind) for gate in gates)


def _metrics(gathered: Gathered) -> Mapping[str, float]:
    """Those of the run; the mean loss is of the rows that are judged by."""
    quality = gathered.quality if gathered.ground.data is not None else None
    return {**gathered.candidate.metrics, **({quality.loss: quality.mean} if quality else {})}


def _paired(
    app: App, gathered: Gathered, gates: Sequence[Gate], standing: Standing
) -> dict[str, Paired | str | None]:
    found: dict[str, Paired | str | None] = {}
    comparing = [gate for gate in gates if isinstance(gate, NoWorse | Better)]
    for gate in comparing:
        if gate.than not in found:
            segments = [name for each in comparing if each.than == gate.than for name in each.segments]
            found[gate.than] = _beside(app, gathered, gate, standing, tuple(dict.fromkeys(segments)))
    return found


def _beside(
    app: App, gathered: Gathered, gate: Comparing, standing: Standing, segments: tuple[str, ...]
) -> Paired | str | None:
    version, number = gathered.candidate, standing.others.get(gate.than)
    if number is None and standing.champion is None:
        return None
    if number is None:  # a slip in a name must not pass whatever comes
        return f"no version has the alias {gate.than}: noria promote VERSION --alias {gate.than}"
    other = app.records.versions.version(version.model, number)
    if other is None:
        return f"there is no version {version.model}:{number}"
    if version.quality is not None and version.quality.loss != gate.metric:
        return f"{version.name} has the loss {version.quality.loss}, and not {gate.metric}"
    try:
        return gathered.paired(other, segments)
    except (ConfigError, StepFailed) as error:
        return f"{other.name} cannot be compared on these rows: {error.headline()}"


def _forecasts(app: App, gathered: Gathered) -> Forecasts | str:
    from noria.app.judging.foreseen import forecasts

    return forecasts(app, gathered)


def _costs(app: App, gathered: Gathered, gates: Sequence[Gate]) -> Measured | str | None:
    if not any(isinstance(gate, Cost) and gate.measure != "size_mb" for gate in gates):
        return None
    from noria.app.judging.tried import measured

    try:
        return measured(app, gathered.candidate, gathered.answered.rows)
    except StepFailed as error:
        return error.headline()


def _size(version: Version, gates: Sequence[Gate]) -> Measured | None:
    if not any(isinstance(gate, Cost) and gate.measure == "size_mb" for gate in gates):
        return None
    from noria.app.judging.tried import size_of

    return size_of(version)


def _perturbed(app: App, gathered: Gathered, gate: Robustness | None) -> Perturbed | str | None:
    if gate is None:
        return None
    from noria.app.judging.perturbed import perturbed

    return perturbed(app, gate, gathered, seed=app.policy.seed)


def _expected(app: App, gathered: Gathered, expecting: Expecting) -> Sequence[tuple[Expected, Changed | str]]:
    if not expecting.functions:
        return ()
    from noria.app.judging.expecting import answers_to_changes

    return answers_to_changes(app, expecting.functions, expecting.pipeline, gathered, expecting.engine)


def _is_served(app: App, model: str, champion: int | None) -> bool:
    """Whether a service answers with the champion now, as far as this machine can see."""
    if champion is None:
        return False
    found = [one for one in app.records.services.services(model) if one.version == champion]
    return any(lives(one, app.clock.now()) for one in found)

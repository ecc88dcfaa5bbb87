"""What somebody wants a run to be, and all that it pins before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from noria.app.environments.groups import groups
from noria.app.errors import UnknownStep
from noria.app.fit import check_fit
from noria.declare import resolve
from noria.graph.load import load_pipeline
from noria.ports.objects import ObjectStore
from noria.records.base import Json
from noria.records.policy import ModelPolicy
from noria.records.runs import NewRun, Trigger

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.declare import Resolved
    from noria.pipeline.plan import Plan


@dataclass(frozen=True)
class Wish:
    """What somebody wants a run to be."""

    trigger: Trigger = field(default_factory=Trigger)
    parameters: Mapping[str, Mapping[str, Json]] | None = None
    """Overrides, step by step."""
    as_of: datetime | None = None
    promote: bool = True
    """False: hold a passing candidate back, whatever the policy says."""
    afresh: bool = False
    """True: don't go on with an interrupted run."""
    fresh: tuple[str, ...] = ()
    """Steps that run anew with all that is below them, whatever was kept."""
    accept_data: bool = False
    """True: let new data pass whatever the canary finds, for this once."""


def asked_for(
    app: App, policy: ModelPolicy, wish: Wish, *, store: ObjectStore | None = None
) -> tuple[NewRun, Resolved, Plan]:
    """Everything that pins the run, before anything runs; the project's files go to the app's store, or to another."""
    from noria.pipeline.plan import plan
    from noria.source import provenance

    pinned = provenance(app.project, store or app.store, app.git, threads=app.threads)
    resolved = resolve(load_pipeline(app.project, policy.pipeline))
    check_fit(policy, resolved)
    fresh_steps(resolved, wish)
    pinned = replace(pinned, groups=groups(resolved, app.project, store or app.store))
    planned = plan(resolved, policy.parameters, wish.parameters or {})
    asked = NewRun(
        model=policy.name,
        as_of=wish.as_of or app.clock.now(),
        trigger=wish.trigger,
        parameters=planned.parameters,
        seed=app.policy.seed,
        provenance=pinned,
    )
    return asked, resolved, planned


def fresh_steps(resolved: Resolved, wish: Wish) -> frozenset[str]:
    """The named steps and all that read them. Raises `UnknownStep`."""
    from noria.pipeline.schedule import below

    for name in wish.fresh:
        known = [step.name for step in resolved.order]
        if name not in known:
            raise UnknownStep(name=name, pipeline=resolved.name, known=known)
    return below(resolved, wish.fresh) if wish.fresh else frozenset()


def goes_on(left: NewRun, asked: NewRun, wish: Wish) -> bool:
    return (
        left.parameters == asked.parameters
        and left.seed == asked.seed
        and left.provenance.source.tree == asked.provenance.source.tree
        and left.provenance.environment == asked.provenance.environment
        and left.provenance.groups == asked.provenance.groups
        and (wish.as_of is None or wish.as_of == left.as_of)
    )

"""What `noria run` would do now, without doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noria.app.asking import Wish, asked_for, fresh_steps, goes_on
from noria.app.environments.groups import foreseen
from noria.artifacts.unstored import Unstored
from noria.records.base import Record
from noria.records.runs import NewRun

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.pipeline.forecast import Forecast


class Foreseen(Record, kw_only=True):
    """A run that is not begun."""

    model: str
    steps: tuple[Forecast, ...]
    goes_on: str | None = None
    """An interrupted run that would be finished: its own steps are kept."""
    asked: NewRun


def foresee(app: App, model: str | None, wish: Wish) -> Foreseen:
    """The plan: each step, what will become of it, and why. Nothing is recorded, stored or started. Raises what a run
    would raise before its first step."""
    from noria.pipeline.forecast import forecast

    policy = app.model(model)
    asked, resolved, plan = asked_for(app, policy, wish, store=Unstored(app.store))
    left = app.records.runs.unfinished(asked.model)
    again = left if left and not wish.afresh and not wish.fresh and goes_on(left.asked, asked, wish) else None
    steps = forecast(
        plan,
        asked,
        project=app.project,
        store=app.store,
        runs=app.records.runs,
        prepared=foreseen(asked.provenance.groups),
        fresh=fresh_steps(resolved, wish),
    )
    return Foreseen(model=policy.name, steps=steps, goes_on=again.name if again else None, asked=asked)

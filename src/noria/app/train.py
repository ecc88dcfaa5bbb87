"""One turn of training: plan, run, register, judge, promote; a killed one is finished by the next."""

from __future__ import annotations

from contextlib import ExitStack, closing
from datetime import datetime
from typing import TYPE_CHECKING

from noria.app.asking import Wish, asked_for, goes_on
from noria.app.begun import as_begun
from noria.app.environments.groups import prepared
from noria.app.environments.wanted import require
from noria.app.open_run import OpenRun, Trained
from noria.ports.engine import EngineLost
from noria.records.events import RunFinished
from noria.records.runs import Abandoned, Interrupted, NewRun, Run

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.pipeline.drive import Listener


def train(
    app: App, model: str | None, wish: Wish, listener: Listener, *, rest: ExitStack | None = None
) -> Trained:
    """Run a model's pipeline to its end. One run a model at a time: raises `Busy`. `rest`: ends the workers when it is
    closed, which takes longer than making a version durable; without it they are gone on return.

    Every finished step is durable at once; version, verdicts and promotion are one transaction at the end. So a
    kill at any moment leaves either a run that the next call goes on with, or all of it done.
    """
    policy = app.model(model)
    with ExitStack() as own:
        stack = own if rest is None else rest
        stack.enter_context(app.alone(policy.name))
        engine = stack.enter_context(closing(app.engine()))
        engine.warm(policy.pipeline)
        asked, resolved, plan = asked_for(app, policy, wish)
        begun = as_begun(app, resolved, asked)
        require(app, asked.provenance.environment)
        ready = stack.enter_context(prepared(app, asked.provenance.groups, listener))
        run, resumed = _begin(app, asked, wish)
        listener.began(run, plan, resumed)
        open_run = OpenRun(app, policy, wish, listener, resolved, plan, begun, run, resumed)
        try:
            return open_run.complete(engine, ready)
        except KeyboardInterrupt:
            open_run.finish(Interrupted())
            raise
        except EngineLost as error:
            open_run.finish(Interrupted(why=str(error)))
            raise
        except Exception as error:
            open_run.fail(error)
            raise


def _begin(app: App, asked: NewRun, wish: Wish) -> tuple[Run, bool]:
    """A new run, or the interrupted one when nothing that was asked for has changed since."""
    left = app.records.runs.unfinished(asked.model)
    if left and not wish.afresh and not wish.fresh and goes_on(left.asked, asked, wish):
        return left, True
    now = app.clock.now()
    if left:
        _give_up(app, left, now)
    return app.records.ledger.begin(asked, at=now), False


def _give_up(app: App, left: Run, now: datetime) -> None:
    """Close a run that nobody will finish. It is the newest, and we hold the model: its successor's name is known."""
    model = left.asked.model
    steps = tuple(app.records.runs.steps(model, left.number))
    outcome = Abandoned(by=f"{model}/{left.number + 1}")
    closed = RunFinished(model=model, run=left.number, finished=now, outcome=outcome, steps=steps)
    app.records.ledger.append(model, [closed], at=now)

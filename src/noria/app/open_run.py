"""One run of a model: its steps, the candidate that they make, and what follows from its gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from noria.app.asking import Wish, fresh_steps
from noria.app.begun import Begun
from noria.app.canary import BadData, inspector
from noria.app.candidate import Candidate, collected_metrics, make_candidate
from noria.app.consequence import consequence
from noria.app.environments.groups import Prepareds
from noria.app.overlap import BadSplit, split_inspector
from noria.errors import Conflict, NoriaError
from noria.ports.engine import Engine
from noria.records.artifacts import Artifact
from noria.records.events import (
    AliasMoved,
    Change,
    DataRefused,
    Judged,
    Proved,
    RunFinished,
    VersionRegistered,
)
from noria.records.gates import Judgement
from noria.records.policy import ModelPolicy
from noria.records.rollouts import Rollout, RolloutStarted
from noria.records.runs import Failed, Outcome, Run, StepResult, Succeeded
from noria.records.versions import Version
from noria.registry.moves import move
from noria.registry.references import CHAMPION

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.declare import Resolved
    from noria.pipeline.drive import Listener
    from noria.pipeline.plan import Plan


@dataclass(frozen=True)
class Trained:
    """What a run came to."""

    run: Run
    steps: tuple[StepResult, ...]
    version: Version | None
    judgement: Judgement | None
    moved: AliasMoved | None
    """The promotion, if there was one."""
    resumed: bool
    known: bool
    """True when the newest version is the same to the last bit, so that none was made."""
    rollout: Rollout | None = None
    """What has begun in the place of a promotion, where the policy wants one."""
    held: str = ""
    """Why none could begin."""


@dataclass(frozen=True)
class OpenRun:
    """A run that is under way, with what pins it."""

    app: App
    policy: ModelPolicy
    wish: Wish
    listener: Listener
    resolved: Resolved
    plan: Plan
    begun: Begun
    run: Run
    resumed: bool
    steps: list[StepResult] = field(default_factory=list)
    """Those that have finished, by now."""

    def complete(self, engine: Engine, prepared: Prepareds) -> Trained:
        """To its end. Raises what ends it before; then it is still open."""
        held = self.begun.held(engine)
        outputs = self._outputs(held, prepared)
        candidate = self._candidate(held, outputs)
        then, why = self._consequence(candidate)
        outcome = Succeeded(
            version=candidate.version.number if candidate else None,
            metrics=candidate.version.metrics
            if candidate
            else collected_metrics(self.app, self.resolved, outputs, None),
        )
        return self._trained(candidate, self._finish_or_hold(outcome, candidate, then), why)

    def fail(self, error: Exception) -> None:
        """End it by what was raised: a bug of Noria's too, else the next run would only meet it again."""
        self.finish(self._failure(error), before=self._refused(error))

    def finish(
        self,
        outcome: Outcome,
        candidate: Candidate | None = None,
        then: Sequence[Change] = (),
        before: Sequence[Change] = (),
    ) -> None:
        """The run's end and all that follows from it, in one transaction."""
        now, model = self.app.clock.now(), self.run.asked.model
        changes: list[Change] = [*before]
        if candidate and not candidate.known:
            changes += [
                VersionRegistered(version=candidate.version),
                Judged(judgement=candidate.judgement),
            ]
            changes += [Proved(proof=candidate.proof)] if candidate.proof else []
        changes += then
        changes.append(
            RunFinished(
                model=model,
                run=self.run.number,
                finished=now,
                outcome=outcome,
                steps=tuple(self.steps),
            )
        )
        self.app.records.ledger.append(model, changes, at=now)

    def _outputs(self, engine: Engine, prepared: Prepareds) -> dict[str, Artifact]:
        from noria.pipeline.drive import drive

        app, policy = self.app, self.policy
        return drive(
            self.plan,
            self.run,
            pipeline=policy.pipeline,
            project=app.project,
            engine=engine,
            store=app.store,
            records=app.records,
            clock=app.clock,
            listener=self.listener,
            finished=self.steps,
            prepared=prepared,
            fresh=fresh_steps(self.resolved, self.wish),
            inspect=inspector(app, policy, self.resolved, self._told, accept=self.wish.accept_data),
            code=self.begun.code,
        )

    def _candidate(self, engine: Engine, outputs: Mapping[str, Artifact]) -> Candidate | None:
        """None for a pipeline that makes no version."""
        if self.begun.whole is None:
            return None
        self.listener.judging()
        return make_candidate(
            self.app,
            self.policy,
            self.resolved,
            self.run,
            steps=self.steps,
            outputs=outputs,
            engine=engine,
            look=split_inspector(
                self.app, self.policy, self.resolved, self._told, accept=self.wish.accept_data
            ),
            code=self.begun.whole,
        )

    def _told(self, step: str, what: str) -> None:
        """What the canary lets pass is told as if the step had printed it."""
        self.listener.output(step, f"data: {what}")

    def _consequence(self, candidate: Candidate | None) -> tuple[Sequence[Change], str]:
        """What follows from gates that were passed: the alias moves, or a rollout begins that may let it; and why neither."""
        moved = self._promotion(candidate)
        if moved is None or candidate is None:
            return (), ""
        return consequence(self.app, candidate.version, moved)

    def _promotion(self, candidate: Candidate | None) -> AliasMoved | None:
        if candidate is None or not self.wish.promote or self.policy.promotion != "automatic":
            return None
        if candidate.known or not candidate.judgement.passed:
            return None
        return move(
            self.app.records.versions.aliases(self.policy.name),
            model=self.policy.name,
            alias=CHAMPION,
            to=candidate.version.number,
            why="; ".join(f"{verdict.gate}: {verdict.why}" for verdict in candidate.judgement.verdicts)
            or "no gates",
            by="gates",
        )

    def _finish_or_hold(
        self, outcome: Outcome, candidate: Candidate | None, then: Sequence[Change]
    ) -> Sequence[Change]:
        """Finish, with what follows if anything does; returns it if it came about. Where a person has moved the champion
        since it was compared with, or another rollout is under way, the candidate is kept with its verdicts alone."""
        try:
            self.finish(outcome, candidate, then)
        except Conflict:
            if not then:
                raise
            self.finish(outcome, candidate)
            return ()
        return then

    def _trained(self, candidate: Candidate | None, then: Sequence[Change], held: str) -> Trained:
        return Trained(
            run=self.run,
            steps=tuple(self.steps),
            version=candidate.version if candidate else None,
            judgement=candidate.judgement if candidate else None,
            moved=next((change for change in then if isinstance(change, AliasMoved)), None),
            resumed=self.resumed,
            known=candidate.known if candidate else False,
            rollout=next((change.rollout for change in then if isinstance(change, RolloutStarted)), None),
            held=held,
        )

    def _refused(self, error: Exception) -> list[Change]:
        if not isinstance(error, BadData):
            return []
        return [
            DataRefused(
                model=self.run.asked.model,
                run=self.run.number,
                step=error.step,
                data=error.data,
                findings=tuple(error.findings),
            )
        ]

    def _failure(self, error: Exception) -> Failed:
        log = getattr(error, "log", None) if isinstance(error, NoriaError) else None
        code = error.code if isinstance(error, NoriaError) else "BUG"
        return Failed(step=self._failed_at(error), code=code, error=str(error), log=log or None)

    def _failed_at(self, error: Exception) -> str:
        """The step that failed; where nobody says which, the first that had not finished, or the gates."""
        if isinstance(error, BadSplit):
            return error.step
        if isinstance(error, NoriaError) and error.at_step:
            return error.at_step
        done = {result.step for result in self.steps}
        return next((step.name for step in self.plan.order if step.name not in done), "gates")

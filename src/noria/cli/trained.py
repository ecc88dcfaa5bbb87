"""What a run came to, in a few lines, and what to do next."""

from __future__ import annotations

from noria.app.judging.approve import waits
from noria.app.open_run import Trained
from noria.cli.render import count, figure, paint
from noria.cli.show_run import verdict_line
from noria.records.runs import Ran
from noria.registry.references import CHAMPION


def trained_lines(trained: Trained) -> list[str]:
    """Steps, version, metrics, verdicts, promotion."""
    lines = [_steps(trained)]
    if trained.version is None:
        return [*lines, "no version: the pipeline has no predict"]
    again = ", the same as before to the last bit" if trained.known else ""
    lines.append(f"version {paint(trained.version.name, 'bold')}{again}")
    if trained.version.metrics:
        shown = ", ".join(
            f"{name} {figure(value)}" for name, value in sorted(trained.version.metrics.items())
        )
        lines.append(f"metrics {shown}")
    if trained.judgement:
        against = (
            f", against {trained.version.model}:{trained.judgement.champion}"
            if trained.judgement.champion
            else ""
        )
        lines += [f"gates{against}{'' if trained.judgement.verdicts else ': none'}"]
        lines += map(verdict_line, trained.judgement.verdicts)
    return [*lines, _promotion(trained), "", f"next: {_next(trained)}"]


def exit_code(trained: Trained) -> int:
    """1 for a candidate that its gates did not pass."""
    return 0 if trained.judgement is None or trained.judgement.passed else 1


def _steps(trained: Trained) -> str:
    steps = [step for step in trained.steps if step.role != "gather"]  # its items are counted
    ran = [step.step for step in steps if isinstance(step.reason, Ran)]
    reused = len(steps) - len(ran)
    parts = [f"{count(len(ran), 'step')} ran"] if ran else []
    parts += [f"{reused} reused"] if reused else []
    resumed = ", resumed" if trained.resumed else ""
    return f"run {paint(trained.run.name, 'bold')} done: {', '.join(parts)}{resumed}"


def _promotion(trained: Trained) -> str:
    moved = trained.moved
    if trained.rollout is not None:
        rollout = trained.rollout
        return paint(
            f"rollout {rollout.name} has begun, by {rollout.policy.strategy}: evidence decides whether it is promoted",
            "green",
        )
    if trained.held:
        return f"not rolled out: {trained.held}"
    if moved is None and trained.known:
        name = trained.version.name if trained.version else ""
        return f"nothing to promote: this version was judged before; noria gate {name} judges it by today's gates"
    if moved is None:
        reason = (
            "the champion stays"
            if trained.judgement and trained.judgement.champion
            else "nothing is champion yet"
        )
        return f"not promoted: {reason}"
    before = f", before {moved.model}:{moved.before}" if moved.before else ""
    return paint(f"{moved.model}@{moved.alias} is now {moved.model}:{moved.after}{before}", "green")


def _next(trained: Trained) -> str:
    version = trained.version
    if version is None:
        return f"noria show {trained.run.name}"
    if waits(trained.judgement):
        return f'noria show {version.name}, then noria approve {version.name} --why "..."'
    if exit_code(trained):
        return f"noria show {version.name}, noria diff {version.model}@{CHAMPION} {version.name}"
    if trained.rollout is not None:
        return f"noria rollout status {version.model}"
    if trained.moved is None and not trained.known:
        return f"noria promote {version.name}"
    return f"noria serve {version.model}@{CHAMPION}"

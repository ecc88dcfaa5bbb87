"""Why a rebuilt step gave something else: by running it twice more, and by what differs around it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noria.app.again import item_of
from noria.app.proof.places import differs
from noria.app.proof.rebuild import Rebuilt, engine
from noria.pipeline.perform import MUTATED
from noria.ports.engine import ask
from noria.records.base import Digest
from noria.records.proofs import Cause
from noria.records.runs import StepResult
from noria.records.tasks import StepDone

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.pipeline.lint import Lint

RULES: Mapping[str, Cause] = {
    **{"clock": "clock", "stopwatch": "clock", "process": "unknown"},
    **{"unseeded": "unseeded", "chance": "unseeded"},
}
"""What a lint rule means for a step that gave two results under one condition."""


@dataclass(frozen=True)
class Explained:
    """What made the difference, as far as it could be told."""

    causes: tuple[Cause, ...]
    why: str


def explained(app: App, recorded: Mapping[str, StepResult], again: Rebuilt, name: str) -> Explained:
    """The first step that diverges has read the recorded inputs, so the cause lies in itself or around it. It is run
    twice more, each time in a fresh process: two different results mean that it is not determined by what it reads.
    """
    first, second = _digests(app, again, name), _digests(app, again, name)
    hints = _lints(app, again, name)
    mutated = [
        note.removeprefix(MUTATED).strip() for note in again.results[name].notes if note.startswith(MUTATED)
    ]
    if first != second:
        return _undetermined(name, hints)
    before = {output: artifact.digest for output, artifact in recorded[name].outputs.items()}
    if first == before:
        why = f"{name} alone, in a fresh process, gives the recorded result: what ran before it in the same process counts"
        causes: tuple[Cause, ...] = ("mutated input",) if mutated else ("unknown",)
        return Explained(causes, why + (f"; it changes {', '.join(mutated)}" if mutated else ""))
    around = _around(app, recorded, again, name, hints)
    if around:
        causes = tuple(cause for cause, _ in around)
        return Explained(
            causes,
            f"{name} gave the same twice here, and something else then: {'; '.join(w for _, w in around)}",
        )
    return _untold(name, hints)


def _undetermined(name: str, hints: list[Lint]) -> Explained:
    twice = f"{name}, run twice more on the same inputs, gave two different results"
    named = [(RULES[hint.rule], hint) for hint in hints if hint.rule in RULES]
    if named:
        told = "; ".join(f"{hint.where} {hint.what}" for _, hint in named)
        return Explained(tuple(dict.fromkeys(cause for cause, _ in named)), f"{twice}: {told}")
    return Explained(
        ("unseeded",),
        f"{twice}: something in it is not seeded, and its code does not show what; random, numpy.random, polars and torch are",
    )


def _untold(name: str, hints: list[Lint]) -> Explained:
    """What its code reads that no record holds is named as a suspect, and not as the cause."""
    told = "; ".join(f"{hint.where} {hint.what}" for hint in hints)
    suspects = f"; look at {told}" if told else ""
    return Explained(
        ("unknown",),
        f"{name} gave the same result twice here, and something else when it was recorded, with the same code, data, "
        f"environment, processor and threads: what made the difference cannot be told from the record{suspects}",
    )


def _around(
    app: App, recorded: Mapping[str, StepResult], again: Rebuilt, name: str, hints: list[Lint]
) -> list[tuple[Cause, str]]:
    """What is another one than when it was recorded."""
    then, now = again.run.asked.provenance, app.provenance_now(again.root)
    found: list[tuple[Cause, str]] = []
    if recorded[name].fingerprint.code != again.results[name].fingerprint.code:
        found.append(("code", "its code is another one than the record's tree holds"))
    if then.environment != now.environment:
        found.append(("environment", f"the environment is another one: {differs(app, again)}"))
    if then.machine.cpu != now.machine.cpu:
        found.append(("hardware", f"the processor was {then.machine.cpu}, and is {now.machine.cpu}"))
    if then.machine.cores != now.machine.cores and any(hint.rule == "cores" for hint in hints):
        found.append(
            (
                "threads",
                f"it takes as many threads as there are cores: {then.machine.cores}, and {now.machine.cores} now",
            )
        )
    return found


def _digests(app: App, again: Rebuilt, name: str) -> dict[str, Digest]:
    """One more execution, in a process of its own."""
    from noria.pipeline.prints import Prints
    from noria.pipeline.task import task_of

    prints = Prints(again.plan, again.run.asked, again.root, again.prepared)
    prints.outputs.update(again.outputs)
    item = item_of(app, again.resolved, prints, name, again.run.name)
    task = task_of(prints, again.resolved, again.run, again.pipeline, item, prints.of(item))
    with closing(engine(app, again.root, again.run)) as workers:
        done = ask(workers, task, StepDone, needs=prints.needs(item.step), python=prints.python(item.step))
    return {output: artifact.digest for output, artifact in done.outputs.items()}


def _lints(app: App, again: Rebuilt, name: str) -> list[Lint]:
    """What the recorded code shows of this step."""
    from noria.pipeline.code import Code
    from noria.pipeline.lint import lint_step

    step = next(one for one in again.resolved.order if one.name == name.partition("[")[0])
    return lint_step(step, Code(again.root))

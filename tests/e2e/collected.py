"""`python collected.py PROJECT drive|collect SEED SECONDS`: drivers and collections at once, on a store that keeps what
nobody needs for a second instead of a day.

A driver makes runs as `noria run` does, without workers: it announces itself, makes results or reuses old ones that are
still there, works for a while, and records the run at its end. It checks that what it relied on is there then.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from noria.adapters.folder import FolderStore
from noria.app.gc import collect
from noria.app.wiring import App, open_app
from noria.pipeline.there import there
from noria.records.artifacts import Artifact
from noria.records.base import digest_bytes, digest_of
from noria.records.events import Change, RunFinished, StepFinished
from noria.records.policy import KeepPolicy
from noria.records.runs import Fingerprint, NewRun, Ran, Reused, Run, StepResult, Succeeded, Trigger
from noria.records.sources import Environment, Machine, Provenance, Source

KEPT = 1.0  # s
CONTENTS = 12  # results that there are: few, so that runs and models make and reuse the same
FIVE = KeepPolicy(runs=2, seconds=0.0)


def drive(app: App, model: str, seed: int, seconds: float) -> None:
    chance = random.Random(seed)
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        with app.alone(model):
            run = begin(app, model)
            results = [result(app, model, run, chance) for _ in range(3)]
            time.sleep(chance.uniform(0, 2.5 * KEPT))
            lost = [one for one in results if not all(exists(app, made) for made in one.outputs.values())]
            assert not lost, f"{run.name} lost what it relied on: {lost}"
            now = app.clock.now()
            named = {one.step: one for one in results}
            end = RunFinished(
                model=model, run=run.number, finished=now, outcome=Succeeded(), steps=tuple(named.values())
            )
            app.records.ledger.append(model, [end], at=now)
        print(run.name, sum(isinstance(one.reason, Reused) for one in results), flush=True)
        time.sleep(chance.uniform(0, KEPT))


def begin(app: App, model: str) -> Run:
    source = Source(commit="c" * 40, tree=app.store.put(b'{"files":[]}'))
    environment = Environment(
        python="3.11", implementation="cpython", platform="x", packages=digest_bytes(b"packages")
    )
    machine = Machine(host="mill", cpu="Zen", cores=2, memory=8, threads=2)
    asked = NewRun(
        model=model,
        as_of=app.clock.now(),
        trigger=Trigger(),
        parameters={},
        seed=0,
        provenance=Provenance(source=source, environment=environment, machine=machine),
    )
    return app.records.ledger.begin(asked, at=app.clock.now())


def result(app: App, model: str, run: Run, chance: random.Random) -> StepResult:
    number = chance.randrange(CONTENTS)
    fingerprint = Fingerprint(
        code=digest_bytes(b"%d" % number), inputs={}, parameters={}, environment=digest_bytes(b"env")
    )
    cached = app.records.runs.cached(model, digest_of(fingerprint))
    old = cached if cached and there(cached[0], app.store) else None
    data = b"content %d" % number * 1000
    outputs = (
        old[0].outputs if old else {"out": Artifact(digest=app.store.put(data), codec="bytes/1", size=1)}
    )
    made = StepResult(
        step=f"step{number}",
        role="step",
        fingerprint=fingerprint,
        outputs=outputs,
        reason=Reused(run=old[1]) if old else Ran(why="first run"),
        started=app.clock.now(),
        seconds=0.0,
    )
    if old is None:
        change: Change = StepFinished(model=model, run=run.number, result=made)
        app.records.ledger.append(model, [change], at=app.clock.now())
    return made


def exists(app: App, made: Artifact) -> bool:
    """Without asking the store, which would keep it."""
    return (app.state / "objects" / made.digest[7:9] / made.digest[9:]).exists()


def gather(app: App, seconds: float) -> None:
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        found = collect(app, keep=FIVE)
        print("collected", found.objects, flush=True)
        time.sleep(0.05)


def main(folder: str, what: str, seed: str, seconds: str) -> None:
    defaults = FolderStore.__init__.__kwdefaults__
    assert defaults and "kept" in defaults
    defaults["kept"] = KEPT
    with open_app(Path(folder)) as app:
        if what == "collect":
            gather(app, float(seconds))
        else:
            drive(app, what, int(seed), float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A project whose records hold a run with everything that a card shows, and one that is under way.

`delay/5` succeeded on top of `unit.app.stored.history`: it made delay:3, logged series, showed exhibits, wrote a
report, and has a fan-out of three items. `delay/6` failed in `classifier` and left a spool.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from noria.app.wiring import App
from noria.app.worker import SPOOL
from noria.artifacts.lists import save_list
from noria.inside.spool import Spool
from noria.records.artifacts import Artifact
from noria.records.base import canonical, digest_bytes
from noria.records.cards import Exhibit
from noria.records.events import Judged, RunFinished, StepFinished, VersionRegistered
from noria.records.gates import Judgement, Verdict
from noria.records.profiles import ColumnProfile, Profile
from noria.records.runs import DataVersion, Failed, Fingerprint, Ran, Run, StepResult, Succeeded
from unit.app import stored

AT = stored.START + timedelta(days=1)
NASTY = "<script>alert('x')</script>"
PAGE = "<!doctype html><html><body><h1 id=a>Page</h1><script>document.getElementById('a').textContent='drawn by its own script'</script></body></html>"


def worked(folder: Path) -> Path:
    """The project with all of it."""
    stored.history(folder)
    with stored.opened(folder, at=AT + timedelta(hours=3)) as app:
        _rich(app)
        _failed(app)
    return folder


def result(
    app: App,
    name: str,
    made: dict[str, Artifact],
    *,
    after: float,
    seconds: float,
    role: str = "step",
    **more: Any,
) -> StepResult:
    """A step that ran, so many seconds after its run began."""
    return StepResult(
        step=name,
        role=role,
        fingerprint=Fingerprint(
            code=digest_bytes(name.encode()), inputs={}, parameters={}, environment=digest_bytes(b"env")
        ),
        outputs=made,
        reason=Ran(why="code changed"),
        started=AT + timedelta(seconds=after),
        seconds=seconds,
        **more,
    )


def series(app: App, points: dict[str, Any]) -> Artifact:
    """A stored table of figures, as a worker makes it."""
    parts = [
        pl.DataFrame(
            {
                "name": name,
                "step": np.arange(len(values)),
                "value": np.asarray(values, dtype=float),
                "at": [AT + timedelta(seconds=n) for n in range(len(values))],
            },
            schema_overrides={"at": pl.Datetime("us", "UTC"), "step": pl.Int64},
        )
        for name, values in points.items()
    ]
    return app.artifacts.save(pl.concat(parts).to_arrow())


def flights() -> pl.DataFrame:
    random = np.random.default_rng(1)
    return pl.DataFrame(
        {
            "flight_id": np.arange(1000),
            "carrier": random.choice(["AA", "UA", NASTY], 1000),
            "distance": random.lognormal(6, 1, 1000),
            "late": random.random(1000) < 0.3,
        }
    )


def _rich(app: App) -> None:
    run = app.records.ledger.begin(stored.asked(app, 2, 0.1, at=AT), at=AT)
    steps = _steps(app)
    made = stored.version(run, 3, 0.74, steps[1].outputs["classifier"])
    verdicts = (
        Verdict(gate="auc", outcome="pass", why="auc 0.74 is at least 0.68"),
        Verdict(gate="log_loss", outcome="undecided", why="not shown to be within 0.005 of delay:1's"),
    )
    judgement = Judgement(model="delay", version=3, champion=1, judged=AT, verdicts=verdicts)
    _end(
        app,
        run,
        steps,
        Succeeded(version=3, metrics=made.metrics),
        [VersionRegistered(version=made), Judged(judgement=judgement)],
    )


def _steps(app: App) -> list[StepResult]:
    random = np.random.default_rng(2)
    epochs = np.arange(60)
    save = app.artifacts.save
    fall = {
        f"{part}/loss": 0.3 + level * np.exp(-epochs / 12) + random.normal(0, 0.01, 60)
        for part, level in (("train", 0.4), ("valid", 0.5))
    }
    risen = {"valid/auc": 0.74 - 0.2 * np.exp(-epochs / 9), "learning_rate": 10.0 ** (-epochs / 12)}
    rows = flights()
    items = [save({"fold": fold, "auc": 0.7 + fold / 100}) for fold in range(3)]
    log = app.store.put("reading\népoque 1\n".encode())
    shown = (
        Exhibit(title="Calibration", kind="image", artifact=save(_figure())),
        Exhibit(title=f"Worst rows {NASTY}", kind="table", artifact=save(rows)),
        Exhibit(title="A page", kind="page", artifact=save(PAGE.encode())),
        Exhibit(
            title="",
            kind="text",
            artifact=save(f"**Note**: AUC by carrier\n\n| a | b |\n|-|-|\n| 1 | {NASTY} |\n"),
        ),
    )
    return [
        result(
            app,
            "flights",
            {"flights": save(rows)},
            after=0.1,
            seconds=2.2,
            role="data",
            data=_data(app, rows),
        ),
        result(
            app,
            "classifier",
            {"classifier": save(np.array([1.0, 2.0]))},
            after=2.4,
            seconds=9.0,
            log=log,
            series=series(app, fall | risen),
            card=shown,
            notes=(f"the code digest fell back to the module's {NASTY}",),
        ),
        *(
            result(
                app,
                f"score[{at}]",
                {"score": item},
                after=11.5 + at * 0.6,
                seconds=1.0,
                role="step",
                series=series(app, {"auc": np.linspace(0.5, 0.7 + at / 50, 20)}),
            )
            for at, item in enumerate(items)
        ),
        result(
            app,
            "score",
            {"score": save_list(items, app.store)},
            after=13.8,
            seconds=0.0,
            role="gather",
            items=3,
        ),
        result(
            app, "page", {"page": save("# Report\n\nAll is *well*.")}, after=13.8, seconds=0.1, role="report"
        ),
        result(app, "loose", {"loose": save(object, codec="pickle")}, after=13.9, seconds=0.1, role="step"),
    ]


def _figure() -> bytes:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3), dpi=110)
    axes.plot([0, 1], [0, 1], "--", color="grey")
    axes.plot(np.linspace(0, 1, 20), np.linspace(0, 1, 20) ** 1.3)
    axes.set_xlabel("predicted")
    packed = io.BytesIO()
    figure.savefig(packed, format="png")
    plt.close(figure)
    return packed.getvalue()


def _data(app: App, rows: pl.DataFrame) -> DataVersion:
    distance = np.quantile(rows["distance"].to_numpy(), [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
    columns = (
        ColumnProfile(name="flight_id", type="int64", rows=1000, missing=0, distinct=1000, low=0, high=999),
        ColumnProfile(
            name="carrier",
            type="string",
            rows=1000,
            missing=12,
            distinct=3,
            top=(("AA", 340), ("UA", 330), (NASTY, 318)),
        ),
        ColumnProfile(
            name="distance",
            type="double",
            rows=1000,
            missing=0,
            low=float(distance[0]),
            high=float(distance[-1]),
            mean=600.0,
            quantiles=tuple(map(float, distance)),
        ),
    )
    profile = app.store.put(canonical(Profile(rows=1000, columns=columns)))
    return DataVersion(
        digest=digest_bytes(b"rich"),
        rows=1000,
        dropped=12,
        columns=stored.COLUMNS,
        first=datetime(2025, 1, 1, tzinfo=UTC),
        last=datetime(2025, 2, 28, tzinfo=UTC),
        profile=profile,
    )


def _failed(app: App) -> None:
    at = AT + timedelta(hours=1)
    run = app.records.ledger.begin(stored.asked(app, 2, 0.3, at=at), at=at)
    for values in ([0.9, 0.8, 0.85, 0.9], [0.7, 0.6, 0.5]):  # two attempts
        spool = Spool(app.state / SPOOL / run.name, "classifier")
        for at_step, value in enumerate(values):
            spool.write([("loss", value)], at_step)
        spool.close()
    log = app.store.put(b"".join(b"line %d\n" % number for number in range(30)))
    error = f'ValueError: {NASTY}\n  File "pipeline.py", line 7, in classifier'
    _end(app, run, [], Failed(step="classifier", code="STEP-RAISED", error=error, log=log), [])


def _end(app: App, run: Run, steps: list[StepResult], outcome: Any, changes: list[Any]) -> None:
    finished = run.started + timedelta(seconds=15)
    for step in steps:
        app.records.ledger.append(
            "delay", [StepFinished(model="delay", run=run.number, result=step)], at=finished
        )
    ended = RunFinished(model="delay", run=run.number, finished=finished, outcome=outcome, steps=tuple(steps))
    app.records.ledger.append("delay", [*changes, ended], at=finished)

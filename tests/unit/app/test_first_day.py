"""What a version's tests of risk are made of on its first day."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from msgspec.structs import replace

from noria.app.first_day import begun
from noria.app.wiring import App
from noria.records.monitoring import Plan
from noria.records.policy import LogPolicy, MonitorPolicy
from noria.records.versions import Quality, RequestColumn, Version
from unit.app.stored import history, opened

DAY = timedelta(days=1)
FIRST = datetime(2025, 3, 1, tzinfo=UTC)
DAYS, ROWS = 30, 60
PLAN = Plan(
    model="delay",
    version=1,
    begun=FIRST,
    false_alarm=0.02,
    shares={"risk": 0.01, "segments": 0.01},
    block="1d",
)


def version(app: App) -> Version:
    """delay:1 with a holdout of two columns, each row with its loss."""
    first = app.records.versions.version("delay", 1)
    assert first is not None
    rng = np.random.default_rng(1)
    count = DAYS * ROWS
    rows = pl.DataFrame(
        {
            "flight_id": range(count),
            "scheduled": [FIRST + DAY * (at // ROWS) for at in range(count)],
            "carrier": rng.choice(["AA", "UA"], count),
            "origin": rng.choice(["JFK", "LGA"], count),
        },
        schema_overrides={"scheduled": pl.Datetime("us", "UTC")},
    )
    losses = rows.select("flight_id", "scheduled", loss=pl.lit(rng.gamma(4.0, 0.1, count)))
    request = {"flight_id": "int64", "carrier": "string", "origin": "string"}
    return replace(
        first,
        rows=app.artifacts.save(rows),
        quality=Quality(
            loss="loss", range=(0.0, 5.0), mean=0.4, rows=count, losses=app.artifacts.save(losses)
        ),
        signature=replace(
            first.signature,
            request=tuple(RequestColumn(name=name, type=kind) for name, kind in request.items()),
        ),
    )


@pytest.mark.parametrize("hidden", [{"redact": ("carrier",)}, {"hash": ("carrier",)}])
def test_what_the_log_hides_makes_no_segment(tmp_path: Path, hidden: dict[str, tuple[str, ...]]) -> None:
    """No row would ever be in it, and it would cost the others their part of the error."""
    with opened(history(tmp_path)) as app:
        model = replace(app.policy.models[0], monitor=MonitorPolicy(segments=("carrier", "origin")))
        service = replace(app.policy.service, log=LogPolicy(**hidden))  # type: ignore[arg-type]
        secret = dataclasses.replace(app, policy=replace(app.policy, service=service))
        shown = {term.column for one in begun(app, model, version(app), PLAN).segments for term in one.terms}
        kept = {
            term.column for one in begun(secret, model, version(app), PLAN).segments for term in one.terms
        }
        assert (shown, kept) == ({"carrier", "origin"}, {"origin"})

"""`noria run --dry-run`: what will become of a fan-out."""

from __future__ import annotations

import pytest

from noria.cli.run_plan import _row
from noria.pipeline.forecast import Forecast


@pytest.mark.parametrize(
    ("one", "will"),
    [
        (Forecast(step="score", will="reuse", why="m/1", items=6, running=0), "reuse (all 6)"),
        (Forecast(step="score", will="run", why="code changed", items=6, running=2), "run (2 of 6)"),
        (Forecast(step="score", will="reuse", why="m/1"), "reuse"),
    ],
)
def test_items_of_a_fan_out_are_counted(one: Forecast, will: str) -> None:
    assert _row(one)[1] == will

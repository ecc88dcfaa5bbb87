"""When whoever drives rollouts looks at which."""

from __future__ import annotations

import pytest

from noria.app.rollouts import driver


def test_each_model_is_looked_at_when_its_own_time_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose looks take long is left alone for long, however soon another is due."""
    looked: list[str] = []
    pauses = {"slow": 10.0, "busy": 0.0}

    def look(model: str, *_: object) -> float:
        looked.append(model)
        return pauses[model]

    monkeypatch.setattr(driver, "_paced", look)
    due = dict.fromkeys(pauses, 0.0)
    drivers = dict.fromkeys(pauses)
    waits = [driver._turn_due(drivers, due, {}, print) for _ in range(3)]  # type: ignore[arg-type]
    assert (looked, waits) == (["slow", "busy", "busy", "busy"], [0.0] * 3)
    pauses["busy"] = 2.0
    assert 1.0 < driver._turn_due(drivers, due, {}, print) <= 2.0  # type: ignore[arg-type]

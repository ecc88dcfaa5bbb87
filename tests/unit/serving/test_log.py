"""Events as lines that a collector of logs reads."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from noria.serving.log import level_of, narrator


class Noon:
    def now(self) -> datetime:
        return datetime(2024, 3, 1, 12, tzinfo=UTC)


def test_an_event_is_one_line(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        narrator(Noon(), file.fileno())("worker.lost", version="delay:3", why="a\nb")
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert json.loads(line) == {
        "at": "2024-03-01T12:00:00Z",
        "level": "error",
        "event": "worker.lost",
        "process": os.getpid(),
        "version": "delay:3",
        "why": "a\nb",
    }


@pytest.mark.parametrize(
    ("event", "level"), [("swap.done", "info"), ("fast.unused", "warning"), ("swap.failed", "error")]
)
def test_how_bad_it_is(event: str, level: str) -> None:
    assert level_of(event) == level

"""`noria alarms` as a person meets it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from noria.app.alarms.raising import changes_for
from noria.cli import main
from noria.records.monitoring import Alarm
from unit.app.stored import START, TOML, history, opened

ID = "delay:1/missing/origin"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With one alarm, of a real time: the command has no clock of the test's."""
    history(tmp_path)
    (tmp_path / "noria.toml").write_text(
        TOML + '[alarms.to.ops]\nkind = "slack"\nurl_from = "NORIA_NO_SUCH"\n'
    )
    with opened(tmp_path, START + timedelta(days=1)) as app:
        now = app.clock.now()
        alarm = Alarm(
            model="delay",
            version=1,
            monitor="missing",
            subject="origin",
            raised=now,
            block=START,
            e_value=0.0,
            threshold=0.0,
            risk=0.0,
            bound=0.0,
            severity="warning",
            why="origin is missing in 40.0% of the rows",
            cause="the feed has lost it",
            action="mend the feed",
            figures={"rows": 900, "share": 0.4},
        )
        app.records.ledger.append("delay", changes_for(app, "delay", [alarm]), at=now)
    return tmp_path


def said(folder: Path, capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["-C", str(folder), "alarms", *words]) == code
    shown = capsys.readouterr()
    return shown.out + shown.err


def test_from_raised_to_resolved(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "origin is missing in 40.0%" in said(folder, capsys)
    shown = said(folder, capsys, "show", ID)
    for text in ("suspected", "the feed has lost it", "mend the feed", "rows 900", "ops: raised, waits"):
        assert text in shown
    assert "would be acknowledged" in said(folder, capsys, "ack", ID, "--why", "on it", "--dry-run")
    assert "is acknowledged" in said(folder, capsys, "ack", ID, "--why", "on it")
    assert "is muted until" in said(folder, capsys, "mute", ID, "--why", "known", "--for", "7d")
    assert "is open" in said(folder, capsys, "reopen", ID, "--why", "look")
    assert json.loads(said(folder, capsys, "resolve", ID, "--why", "mended", "--json"))["state"] == "resolved"
    assert "no alarm stands" in said(folder, capsys, "list", "delay")
    assert "resolved" in said(folder, capsys, "list", "--all")
    assert main(["-C", str(folder), "audit"]) == 0


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["mute", ID, "--for", "soon", "--why", "x"], 2, "is no span"),
        (["ack", ID], 2, "needs its reason"),
        (["ack"], 2, "ack takes one word"),
        (["acknowledge", ID], 2, "is not one of list, show"),
        (["show", "delay:1/none"], 3, f"those that stand: {ID}"),
        (["show", "no-model:1/none"], 3, "there is no alarm"),
        (["list", "--why", "x"], 2, "--why is for ack"),
        (["list", "another"], 3, "another"),
        (["test", "pigeon"], 3, "it has log, ops"),
    ],
)
def test_bad_input(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, text: str
) -> None:
    assert text in said(folder, capsys, *words, code=code)


def test_each_channel_is_tried(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(folder, capsys, "test", code=1)
    assert "log" in shown and "taken" in shown
    assert "NORIA_NO_SUCH, which is not set" in shown
    assert "set NORIA_NO_SUCH for whoever runs noria serve" in shown
    assert json.loads((folder / ".noria" / "alarms.ndjson").read_text())["kind"] == "test"
    assert said(folder, capsys, "test", "log")

"""A drill's report as text."""

import msgspec
import pytest

from noria.cli.drill import drill_lines
from noria.cli.drill_rate import rate_line
from noria.records.drills import Plant
from noria.testing.samples import a_drill


def test_the_rate_and_what_nobody_sees() -> None:
    lines = drill_lines(a_drill(caught=3))
    assert lines[0].endswith("delay/1, beside delay:1")
    assert "no gate sees: slow model" in lines
    assert "  what would: [model.x.gates] latency_p99_ms = { at_most = ... }" in lines
    assert "3 of 4 planted candidates caught (75%)" in lines


def test_a_terminal_shows_what_was_missed_in_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noria.cli.render.coloured", lambda: True)
    lines = drill_lines(a_drill(caught=3))
    (missed,) = [line for line in lines if line.startswith("  slow model")]
    assert "\033[31mmissed\033[0m" in missed
    assert sum("\033[32mcaught\033[0m" in line for line in lines) == 3


def test_what_could_not_be_planted_counts_for_nothing() -> None:
    drill = msgspec.structs.replace(
        a_drill(),
        plants=(Plant(name="NaN weights", what="", caught="not planted", why="the pipeline has no weights"),),
    )
    assert rate_line(drill) == "0 of 0 planted candidates caught"
    assert any("the pipeline has no weights" in line for line in drill_lines(drill))


def test_a_control_that_does_not_pass_is_told() -> None:
    drill = msgspec.structs.replace(
        a_drill(), control="undecided", why="brier: few blocks", left_out=("approval",)
    )
    told = "\n".join(drill_lines(drill))
    assert "without a fault, too, undecided: brier: few blocks" in told
    assert "not asked in a drill: approval" in told


def test_what_holds_a_candidate_back_is_no_kill() -> None:
    held = Plant(name="stale features", what="late", caught="held back", by=("brier",), why="undecided")
    drill = a_drill()
    assert rate_line(msgspec.structs.replace(drill, plants=(*drill.plants, held))).startswith(
        "1 of 3 planted candidates caught, 1 held back"
    )


def test_where_there_is_a_gate_of_the_kind_it_is_to_be_narrower() -> None:
    told = drill_lines(msgspec.structs.replace(a_drill(), gates=("brier against champion", "latency_p50_ms")))
    assert "  what would: a narrower limit of latency_p50_ms" in told

"""`noria monitor` and `noria.monitors` as a person meets them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

import noria
from noria.app.blame import blamed
from noria.app.estimates import ProbabilityBin
from noria.app.monitors import monitors
from noria.app.pages.evidence import evidence_page, evidence_picture
from noria.app.skew import ColumnSkew, Skew
from noria.cli import main
from noria.cli.monitor import monitor_lines
from noria.records.attribution import Attribution
from noria.records.events import BlockScored
from noria.records.monitoring import Alarm, Block, NewFeedback, RiskState, SegmentRisk, Term
from unit.app.stored import history, opened, project
from unit.app.test_sights import DAY, FIRST, crown, fail, seen


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve good days, then carrier B6 is gone; labels of the first days, as they were answered."""
    folder = history(tmp_path_factory.mktemp("project"))

    def without(day: int, rows: dict[str, Any]) -> dict[str, Any]:
        return rows | {"carrier": np.where(rows["carrier"] == "B6", "AA", rows["carrier"])}

    with opened(folder, FIRST) as app:
        crown(app, 60)
        assert seen(app, 8) == []
        fail(app, 8, 2)
        assert seen(app, 1, without, first=8) == ["vanished/carrier=B6"]
        for at in range(6):
            day, row = divmod(at, 2)
            given = label_of(day, row)
            app.records.feedback.add("delay", [given], at=FIRST)
            start = FIRST + DAY * at
            block = Block(
                model="delay", version=3, start=start, end=start + DAY, predictions=250, labelled=1, loss=0.1
            )
            segment = SegmentRisk(
                terms=(Term(column="carrier", level="UA"),),
                bound=0.2,
                threshold=400.0,
                e_value=5.0 * at,
                loss=0.3,
            )
            state = RiskState(
                model="delay",
                version=3,
                bound=0.2,
                threshold=200.0,
                scored_until=block.end,
                blocks=at + 1,
                e_value=float(at),
                segments=(segment,),
            )
            app.records.ledger.append("delay", [BlockScored(block=block, state=state)], at=block.end)
    return folder


def label_of(day: int, row: int) -> NewFeedback:
    return NewFeedback(by="key", ref=f"{day}/{row}", label=bool(row), known=FIRST + DAY * day)


def said(folder: Path, capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["-C", str(folder), "monitor", *words]) == code
    shown = capsys.readouterr()
    return shown.out + shown.err


@pytest.mark.parametrize(
    ("proved", "state", "said"),
    [
        (3.0, "tolerated", "not proved to be beyond the tolerance (proof 3 of 100)"),
        (100.0, "alarm", "distance moved most"),
    ],
)
def test_a_drift_that_is_certain_is_no_alarm_before_it_is_proved_to_be_beyond_the_tolerance(
    folder: Path, monkeypatch: pytest.MonkeyPatch, proved: float, state: str, said: str
) -> None:
    with opened(folder, FIRST) as app:
        *before, last = app.records.monitors.sights("delay", 3)
        one = replace(
            last.drift["carrier"],
            peak=last.drift["carrier"].threshold,
            proved=proved,
            proof=100.0,
            moved="distance",
        )
        now = [*before, replace(last, drift=last.drift | {"carrier": one})]
        monkeypatch.setattr(type(app.records.monitors), "sights", lambda *_: now)
        view = monitors(app, "delay")
    (found,) = [test for test in view.tests if (test.family, test.subject) == ("drift", "carrier")]
    assert (found.state, found.note.endswith(said), "needed" in found.note) == (state, True, False)
    (line,) = [line for line in monitor_lines(view, all=True) if line.startswith("drift carrier")]
    assert line.split()[2] == state


def test_each_test_beside_its_threshold(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(folder, capsys, "delay")
    for text in (
        "delay:3/vanished/carrier=B6, open",
        "a part of 0.05 over all models",
        "250 rows in the block of 2025-03-09",
        "empty: 100.0% missing",
        "2 of 252 requests in that block: GRAPH-FAILED 2",
        "drift carrier",
        "risk ",
        "segment carrier=UA",
        "times the evidence is needed",
        "nothing is known of drift of the answers",
    ):
        assert text in shown, text
    told = json.loads(said(folder, capsys, "--json"))
    assert {one["family"] for one in told["tests"]} == {"risk", "segment", "drift"}
    assert len(told["tests"][0]["history"]) == 6


def test_requests_without_an_answer_are_told_where_there_are_some(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = history(tmp_path)
    with opened(folder, FIRST) as app:
        crown(app, 20)
        assert seen(app, 1) == []
    shown = said(folder, capsys, "delay")
    assert "250 rows in the block" in shown and "unanswered" not in shown


def test_nothing_is_made_where_nothing_was_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = project(tmp_path / "p")
    for words in ((), ("--attribute",)):
        assert "error[RECORDS-NONE]" in said(folder, capsys, *words, code=3)
    assert [path.name for path in folder.iterdir()] == ["noria.toml"]


def test_pages_and_pictures(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(folder, capsys, "--output", str(tmp_path / "m.html"))
    page = (tmp_path / "m.html").read_text()
    assert "vanished/carrier=B6" in page and "<svg" in page
    said(folder, capsys, "--output", str(tmp_path / "m.png"))
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")
    assert ">2025-03-" in page, "blocks stand by their dates"
    assert "known are .html, .png" in said(folder, capsys, "--output", str(tmp_path / "m.txt"), code=2)
    assert "error[" in said(folder, capsys, "another", code=3)


def test_what_was_asked_for_stands_on_the_page_and_in_the_picture(folder: Path) -> None:
    with opened(folder, FIRST + 10 * DAY) as app:
        view = monitors(app, "delay", estimated=True, skewed=True)
        plain = replace(view, estimate=None, skew=None)
    assert view.estimate is not None
    page = evidence_page(view)
    assert "a change of what the label depends on is not seen" in page
    assert "nothing to compare: no row that was asked about is in the data of delay:3" in page
    bins = tuple(
        ProbabilityBin(answered=at / 10, happened=at / 8, lower=at / 20, upper=at / 5, rows=9)
        for at in range(1, 4)
    )
    asked = replace(
        view,
        estimate=replace(view.estimate, bins=bins),
        skew=Skew(
            version="delay:4", rows=80, columns={"temp": ColumnSkew(differ=0.25, asked="21.5", had="70.7")}
        ),
    )
    page = evidence_page(asked)
    assert "how often it happened" in page
    for text in ("80 rows as asked beside the data of delay:4", "25.0%", "21.5", "70.7"):
        assert text in page
    assert "how often it happened" not in evidence_page(plain)
    assert size(evidence_picture(asked)) > size(evidence_picture(plain)), "two panels more, a row"


def size(png: bytes) -> tuple[int, int]:
    width, height = struct.unpack(">II", png[16:24])
    return height, width


def test_a_drift_that_is_quiet_tells_how_far_it_has_moved_and_how_far_it_is(folder: Path) -> None:
    with opened(folder, FIRST) as app:
        view = monitors(app, "delay")
        newest = [one.columns["distance"].mean for one in app.records.monitors.sights("delay", 3)][-7:]
    (found,) = [test for test in view.tests if test.subject == "distance"]
    assert found.shift is not None and found.state == "quiet"
    assert found.shift.mean == pytest.approx(np.mean(newest), rel=1e-9)
    assert found.shift.before is not None
    told = f"mean {found.shift.mean:.5g} ({found.shift.before:.5g} in training)"
    assert told in found.note and "(0.1 is tolerated)" in found.note
    assert f"; {found.share:.0%} of the way, " in found.note
    assert found.starts == tuple(FIRST + DAY * day for day in range(9))


@pytest.mark.parametrize(
    ("peak", "proved", "told"),
    [
        (0.5, 100.0, "; 50% of the way, about 100 times the evidence is needed"),
        (0.9, 10.0, "; 50% of the way, about 10 times the proof that it is beyond the tolerance is needed"),
    ],
)
def test_how_far_it_is_and_what_is_needed_are_of_the_proof_that_has_further_to_go(
    folder: Path, monkeypatch: pytest.MonkeyPatch, peak: float, proved: float, told: str
) -> None:
    """`peak`: its exponent of a threshold of 10,000; the other proof has one of 100."""
    with opened(folder, FIRST) as app:
        *before, last = app.records.monitors.sights("delay", 3)
        seen = 10_000.0**peak
        one = replace(
            last.drift["carrier"],
            e_value=seen,
            peak=seen,
            threshold=10_000.0,
            proved=proved,
            proof=100.0,
        )
        now = [*before, replace(last, drift=last.drift | {"carrier": one})]
        monkeypatch.setattr(type(app.records.monitors), "sights", lambda *_: now)
        view = monitors(app, "delay")
    (found,) = [test for test in view.tests if (test.family, test.subject) == ("drift", "carrier")]
    assert (found.state, found.note[-len(told) :]) == ("quiet", told)


def test_what_a_notebook_sees(folder: Path, tmp_path: Path) -> None:
    found = noria.monitors("delay", project=folder)
    past = found.history()
    assert past.filter(family="risk")["e_value"].to_list() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert past.filter(family="drift", subject="carrier").height == 9
    gone = found.blocks().filter(column="empty")
    assert gone["missing"].to_list() == [1.0] * 9
    assert found.save(tmp_path / "m.png").exists()
    assert found.calibration().columns == ["answered", "happened", "lower", "upper", "rows"]
    assert found.skew().height == 0
    assert "delay:3" in repr(found)
    assert "<svg" in found._repr_html_()


def test_an_estimate_without_labels_carries_its_warning(folder: Path) -> None:
    with opened(folder, FIRST + 10 * DAY) as app:
        view = monitors(app, "delay", estimated=True)
    found = view.estimate
    assert found is not None
    assert (found.labelled, found.unlabelled) == (6, 9 * 250 - 6)
    assert found.log_loss == pytest.approx(0.3251, abs=1e-3)  # of answers of 0.1, all of them
    assert found.bias == pytest.approx(0.4)
    shown = "\n".join(monitor_lines(view))
    assert "a change of what the label depends on is not seen" in shown
    assert "calibration of 6 with one" in shown


def test_an_alarm_names_its_suspects(folder: Path) -> None:
    with opened(folder, FIRST + 10 * DAY) as app:
        state = app.records.monitors.state("delay", 3)
        assert state is not None
        alarm = Alarm(
            model="delay",
            version=3,
            monitor="risk",
            raised=FIRST,
            block=FIRST,
            e_value=300.0,
            threshold=200.0,
            risk=0.5,
            bound=0.2,
            why="?",
        )
        assert (
            blamed(app, alarm, state, Attribution()).cause
            == "worst where carrier=UA (loss 0.3); no input has moved much"
        )

"""What a run says while it goes on, and when it is done."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from noria.app.open_run import Trained
from noria.cli.progress import listening
from noria.cli.trained import exit_code, trained_lines
from noria.cli.words import setting, settings
from noria.declare import resolve
from noria.pipeline.plan import Plan
from noria.records.events import AliasMoved
from noria.records.gates import Judgement, Verdict
from noria.records.runs import Run
from unit.app.stored import START, asked, opened, step, version


@pytest.fixture(scope="module")
def run(flights: Path) -> Run:
    with opened(flights) as app:
        return Run(number=5, started=START, asked=asked(app, 1, 0.1, at=START))


def a_plan() -> Plan:
    import noria

    delay = noria.Pipeline("delay")

    @delay.step
    def flights() -> int:
        return 1

    @delay.step
    def classifier(flights: int) -> int:
        return flights

    return Plan(resolved=resolve(delay), parameters={})


def test_a_line_an_event_where_there_is_no_terminal(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with listening() as listener:
        listener.began(run, a_plan(), True)
        listener.reused(step("flights", code=1, reused="delay/4"))
        listener.started("classifier", "code changed")
        listener.output("classifier", "epoch 1")
        listener.finished(step("classifier", code=2))
        listener.judging()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "run delay/5 as of 2025-03-01 09:00:00Z: 2 steps, going on with it",
        "  flights: reused from delay/4; 1,000 rows",
        "  classifier: started (code changed)",
        "  classifier | epoch 1",
        "  classifier: ran in 1.50 s: code changed",
        "  gates: judging",
    ]


def test_quiet(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with listening(quiet=True) as listener:
        listener.began(run, a_plan(), False)
        listener.output("classifier", "epoch 1")
    assert capsys.readouterr() == ("", "")


def trained(run: Run, flights: Path, *, passed: bool = True, **changes: object) -> Trained:
    steps = (step("flights", code=1, reused="delay/4"), step("classifier", code=1))
    with opened(flights) as app:
        judgement = app.records.versions.judgements("delay", 1 if passed else 2)[0]
    facts: dict[str, object] = {
        "run": run,
        "steps": steps,
        "version": version(run, 3, 0.71, steps[1].outputs["classifier"]),
        "judgement": judgement,
        "moved": None,
        "resumed": False,
        "known": False,
    }
    return Trained(**(facts | changes))  # type: ignore[arg-type]


def test_a_promotion(run: Run, flights: Path) -> None:
    moved = AliasMoved(model="delay", alias="champion", before=1, after=3, why="", by="gates")
    done = trained(run, flights, moved=moved, resumed=True)
    assert exit_code(done) == 0
    assert trained_lines(done) == [
        "run delay/5 done: 1 step ran, 1 reused, resumed",
        "version delay:3",
        "metrics auc 0.71, log_loss 0.5",
        "gates",
        "  pass       auc: auc 0.71 is at least 0.68",
        "delay@champion is now delay:3, before delay:1",
        "",
        "next: noria serve delay@champion",
    ]


def test_a_refusal(run: Run, flights: Path) -> None:
    done = trained(run, flights, passed=False)
    assert exit_code(done) == 1
    lines = trained_lines(done)
    assert "gates, against delay:1" in lines
    assert "not promoted: the champion stays" in lines
    assert lines[-1] == "next: noria show delay:3, noria diff delay@champion delay:3"


def test_a_pass_that_waits_for_a_person(run: Run, flights: Path) -> None:
    assert trained_lines(trained(run, flights))[-1] == "next: noria promote delay:3"


def test_undecided_is_no_pass(run: Run, flights: Path) -> None:
    done = trained(run, flights, passed=False)
    assert isinstance(done.judgement, Judgement)
    verdict = msgspec.structs.replace(done.judgement.verdicts[0], outcome="undecided")
    undecided = msgspec.structs.replace(done.judgement, verdicts=(verdict,))
    assert exit_code(trained(run, flights, judgement=undecided)) == 1


def test_what_lacks_a_persons_word_says_how_to_give_it(run: Run, flights: Path) -> None:
    done = trained(run, flights)
    assert isinstance(done.judgement, Judgement)
    waits = Verdict(gate="approval", outcome="undecided", why="a person has to look at it")
    judgement = msgspec.structs.replace(done.judgement, verdicts=(*done.judgement.verdicts, waits))
    last = trained_lines(trained(run, flights, judgement=judgement))[-1]
    assert last == 'next: noria show delay:3, then noria approve delay:3 --why "..."'


def test_nothing_new_and_no_version(run: Run, flights: Path) -> None:
    known = trained(run, flights, known=True)
    assert "version delay:3, the same as before to the last bit" in trained_lines(known)
    again = (
        "nothing to promote: this version was judged before; noria gate delay:3 judges it by today's gates"
    )
    assert again in trained_lines(known)
    none = trained(run, flights, version=None, judgement=None)
    assert exit_code(none) == 0
    assert trained_lines(none)[1:] == ["no version: the pipeline has no predict"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b=0.1", 0.1),
        ("a.b=true", True),
        ("a.b=linear", "linear"),
        ("a.b=[1, 2]", [1, 2]),
        ("a.b=x=y", "x=y"),
        ("a.b=", ""),
    ],
)
def test_a_setting_is_json_or_text(text: str, value: object) -> None:
    assert settings([setting(text)]) == {"a": {"b": value}}


def test_the_last_of_two_settings_holds() -> None:
    assert settings([("a", "b", 1), ("a", "c", 2), ("a", "b", 3)]) == {"a": {"b": 3, "c": 2}}

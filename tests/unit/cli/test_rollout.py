"""`noria rollout` and `noria drill`, as far as they come without a service."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from noria.app.rollouts.verbs import Standing
from noria.cli.rollout import exit_code
from noria.cli.rollout_shown import lines_of
from noria.records.rollouts import Counted, Ended, Firsts, Losses, Observed, Quantile, RolloutPolicy, Watching
from noria.rollout.judge import judge
from noria.testing.samples import NOON, a_rollout
from unit.cli.conftest import Noria


@pytest.fixture
def here(noria: Noria, own: Path, monkeypatch: pytest.MonkeyPatch) -> Noria:
    monkeypatch.chdir(own)
    return noria


def test_begun_looked_at_and_aborted(here: Noria) -> None:
    assert here("rollout").code == 3
    refused = here("rollout", "start", "delay:2")
    assert refused.code == 3
    assert "delay:2 did not pass its gates" in refused.err
    dry = here("rollout", "start", "delay:2", "--force", "--steps", "1%", "0.5", "--dry-run")
    assert dry.out == "delay/r1 would begin: delay:2 in the place of delay:1, by canary, 1 %, 50 %\n"
    assert here("rollout", "list", "--json").json == []
    assert here("rollout", "start", "delay:2", "--force", "--why", "for a day").code == 0
    assert here("rollout", "start", "delay:2", "--force").err.startswith("error[ROLLOUT-OPEN]")
    said = here("rollout").out
    assert "delay/r1  delay:2 in the place of delay:1, by canary, 5 %, 25 %, 50 %" in said
    assert "the way back is to be rehearsed" in said
    assert "rollout   delay/r1 of delay:2: the way back" in here("status").out
    assert here("rollout", "step").err.startswith("error[ROLLOUT-PHASE]")
    assert here("rollout", "pause", "--why", "lunch").out.endswith(", paused\n")
    assert here("rollout", "resume", "--why", "lunch is over").code == 0
    assert here("rollout", "abort", "--why", "no").out == "delay/r1: being taken back: no\n"
    assert here("rollout", "--json").json["rollout"]["phase"]["type"] == "withdrawing"
    assert here("audit").code == 0
    told = here("audit", "--events").out
    assert "delay/r1: delay:2 by canary, by " in told and ": for a day; by force, auc: fail" in told
    assert "delay/r1: goes on: lunch is over" in told
    assert "delay/r1: aborted: no" in told


@pytest.mark.parametrize(
    "words",
    [
        ("begin",),
        ("start",),
        ("start", "delay:1", "delay:2"),
        ("start", "delay:2", "--steps", "5"),
        ("start", "delay:2", "--steps", "50%", "5%"),
        ("start", "delay:2", "--strategy", "shadow", "--steps", "5%"),
        ("start", "delay:2", "--strategy", "green"),
        ("pause", "--wait"),
        ("status", "--force"),
        ("resume", "--wait"),
    ],
)
def test_what_is_no_sense_is_said(here: Noria, words: tuple[str, ...]) -> None:
    said = here("rollout", *words)
    assert said.code == 2
    assert said.err.startswith("error[USAGE]")


def test_what_cannot_be_rolled_out(here: Noria) -> None:
    assert "it is the champion already" in here("rollout", "start", "delay:1").err
    assert here("rollout", "start", "delay:9").code == 3
    assert here("drill", "rollback").err.startswith("error[ROLLBACK-NONE]")
    assert here("drill", "everything").code == 2


def test_a_rollback_takes_a_rollout_back(here: Noria) -> None:
    here("promote", "delay:2", "--force")
    here("rollout", "start", "delay:1")
    back = here("rollback")
    assert back.out == "delay@champion names delay:1, before delay:2\n  rollout delay/r1 ends\n"
    assert "rolled back by" in here("rollout").out


def test_how_much_more_it_needs_is_shown() -> None:
    seen = Observed(
        counted=(Counted(share=0.1, units=(200, 1_800)),),
        here=(200, 1_800),
        challenger=Firsts(units=200),
        champion=Firsts(units=1_800),
        rate=2.0,
    )
    p50 = Quantile(level=0.5, estimate=1.234, lower=1.1, upper=1.5)
    p99 = Quantile(level=0.99, estimate=9.0, lower=2.0, upper=None)
    seen = msgspec.structs.replace(seen, took=((p50, p99), (p50, p99)))
    rollout = a_rollout(2)
    told = "\n".join(lines_of(Standing(rollout, judge(RolloutPolicy(), seen), waiting="rain")))
    assert "waits for  rain" in told
    assert "error budget 0.05 in all" in told
    assert "more units, " in told
    assert "errors  undecided  difference" in told
    assert told.count("1.23 (1.1 to 1.5)  9 (2 to inf)") == 2
    assert "first answers, ms  p50                p99" in told
    assert not isinstance(rollout.phase, Watching)


def test_where_units_are_lacking_no_blocks_are_asked_for() -> None:
    losses = Losses(differences=(0.1, -0.1) * 6, spread=0.1, freedom=9.0)
    judged = judge(RolloutPolicy(quality=0.05), Observed(losses=losses))
    told = lines_of(Standing(a_rollout(2), judged))
    (line,) = [line for line in told if line.startswith("quality")]
    assert line.rstrip().endswith("more units, not more blocks")


def test_exit_codes_of_an_end() -> None:
    codes = {"promoted": 0, "superseded": 0, "aborted": 1, "rolled back": 1, "undecided": 6}
    for result, code in codes.items():
        assert exit_code(Ended(result=result, why="", at=NOON)) == code  # type: ignore[arg-type]

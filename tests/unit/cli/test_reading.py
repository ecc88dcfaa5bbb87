"""The reading commands over real records."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from noria.cli.show_version import levels
from noria.records.versions import RequestColumn
from unit.cli.conftest import Noria


@pytest.fixture
def here(noria: Noria, flights: Path, monkeypatch: pytest.MonkeyPatch) -> Noria:
    monkeypatch.chdir(flights)
    return noria


def test_runs(here: Noria) -> None:
    """The columns that scripts cut: two blanks between them, the newest first."""
    assert here("runs").out.splitlines() == [
        "run      state        started               took    by        commit      result",
        "delay/4  interrupted  2025-03-01 13:00:00Z  10.0 s  person    222222222+  the next run goes on from its "
        "finished steps",
        "delay/3  failed       2025-03-01 12:00:00Z  10.0 s  schedule  222222222+  classifier: ValueError: no rows",
        "delay/2  succeeded    2025-03-01 11:00:00Z  10.0 s  person    222222222+  delay:2, auc 0.66, log_loss 0.5",
        "delay/1  succeeded    2025-03-01 10:00:00Z  10.0 s  person    111111111   delay:1, auc 0.71, log_loss 0.5",
    ]


def test_runs_of_one_model_and_a_few(here: Noria) -> None:
    said = here("runs", "delay", "--last", "1", "--json")
    assert [view["name"] for view in said.json] == ["delay/4"]
    assert said.json[0]["outcome"] == {"type": "interrupted"}
    assert here("runs", "other").code == 3


@pytest.mark.parametrize(("free", "total", "told"), [(9, 200, True), (11, 200, False), (9, 80, False)])
def test_status_names_the_disk_when_it_is_nearly_full(
    here: Noria, monkeypatch: pytest.MonkeyPatch, free: int, total: int, told: bool
) -> None:
    usage = SimpleNamespace(free=free * 10**9, total=total * 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    said = here("status")
    assert ("noria status --disk" in said.err) == told
    assert (f"{free} GB are free" in said.err) == told
    assert "--disk" not in said.out
    assert here("status", "--json").err == ""


def test_models(here: Noria) -> None:
    lines = here("models").out.splitlines()
    assert lines[0] == "delay"
    assert lines[2].split() == (
        [
            "delay:2",
            "-",
            "refused",
            "2025-03-01",
            "11:00:05Z",
            "2025-03-01",
            "11:00:00Z",
            "delay/2",
            "1,000",
            "log_loss",
            "0.5",
            "auc",
            "0.66",
        ]
    )
    assert "delay:1  champion  passed" in lines[3]
    assert here("models", "--json").json[0]["aliases"] == {"champion": 1}


def test_a_run_says_why_each_step_ran(here: Noria) -> None:
    said = here("show", "delay/2").out
    assert "flights     data  reused from delay/1" in said
    assert "classifier  step  ran: code changed" in said
    assert "classifier.learning_rate = 0.1" in said
    assert "on main, with uncommitted changes" in said
    assert "untracked    notes.txt" in said
    assert "fail       auc: auc 0.66 is not at least 0.68" in said
    assert said.rstrip().endswith("made delay:2")


def test_a_failed_run_shows_the_end_of_its_log(here: Noria) -> None:
    said = here("show", "delay/3").out
    assert "failed in classifier [STEP-RAISED]" in said
    assert "ValueError: no rows" in said
    assert "(the last 20 of 30 lines)" in said
    assert "  | line 29" in said
    assert "  | line 9\n" not in said


def test_the_last_run_has_a_name(here: Noria) -> None:
    assert here("show", "delay/last").out.startswith("delay/4  interrupted")


@pytest.mark.parametrize("name", ["delay:1", "delay@champion", "delay"])
def test_a_version_leads_back_to_where_it_came_from(here: Noria, name: str) -> None:
    said = here("show", name).out
    assert said.startswith("delay:1  @champion\n")
    for fact in (
        "delay/1, asked for by person",
        "1111111 on main",
        "1,000 rows of 4 columns",
        "cpython 3.11.7",
    ):
        assert fact in said
    assert "serving graph  flights -> features -> late  (pipeline:delay)" in said
    assert "carrier    string                 no     -     AA, UA" in said
    assert "known within 2 h for 99 % of the rows" in said
    assert "champion  came  gates  auc 0.71 is at least 0.68" in said


def test_show_as_json_holds_the_records(here: Noria) -> None:
    run = here("show", "delay/1", "--json").json
    assert [step["step"] for step in run["steps"]] == ["flights", "classifier"]
    assert run["version"]["number"] == 1
    version = here("show", "delay:2", "--json").json
    assert version["judgements"][0]["verdicts"][0]["outcome"] == "fail"
    assert version["run"]["name"] == "delay/2"


@pytest.mark.parametrize(
    ("ref", "code", "what"),
    [
        ("delay/99", 3, "there is no run delay/99"),
        ("delay:99", 3, "there is no version delay:99; known: delay@champion, delay:2, delay:1"),
        ("delay@best", 3, "there is no version delay@best"),
        ("delay/x", 2, "'delay/x' names no run"),
        ("de lay", 2, "'de lay' names no version"),
        ("other/1", 3, "noria.toml has no model 'other'; it has: delay"),
    ],
)
def test_what_is_not_there(here: Noria, ref: str, code: int, what: str) -> None:
    said = here("show", ref)
    assert said.code == code
    assert what in said.err


def test_diff(here: Noria) -> None:
    assert here("diff", "delay:1", "delay/2").out == (
        "a  delay/1  2025-03-01 10:00:00Z  commit 111111111  made delay:1\n"
        "b  delay/2  2025-03-01 11:00:00Z  commit 222222222  made delay:2\n"
        "\n"
        "code\n"
        "  changed logo.png\n"
        "  changed pipeline.py\n"
        "    --- a/pipeline.py\n"
        "    +++ b/pipeline.py\n"
        "    @@ -1 +1 @@\n"
        "    -RATE = 1\n"
        "    +RATE = 2\n"
        "\n"
        "data  the same\n"
        "  flights: 1,000 rows of 4 columns, 2025-01-01 00:00 .. 2025-02-28 00:00, 12 left out: not known by then "
        "(d9b79b2d5fa6)\n"
        "\n"
        "environment  the same\n"
        "\n"
        "parameters\n"
        "  classifier.learning_rate: 0.05 -> 0.1\n"
        "\n"
        "metrics\n"
        "  metric     a     b  b - a\n"
        "  auc     0.71  0.66  -0.05\n"
        "\n"
        "steps\n"
        "  classifier: code, parameter learning_rate; outputs classifier differ\n"
    )


def test_a_category_that_is_a_whole_text_is_cut() -> None:
    assert levels(RequestColumn(name="review", type="string", levels=("good", "word " * 4000))) == (
        "good, word word word word w..."
    )


def test_a_run_is_the_same_as_itself(here: Noria) -> None:
    said = here("diff", "delay/1", "delay:1", "--json").json
    assert said.keys() == {"a", "b", "data"}
    assert said["data"][0]["same"] is True


def test_status(here: Noria) -> None:
    said = here("status").out
    assert (
        "champion  delay:1, data as of 2025-03-01 10:00:00Z, gates passed, log_loss 0.5 on its holdout"
        in said
    )
    assert "service   none: noria serve delay" in said
    assert "last run  delay/4 interrupted" in said
    assert "next run  2025-03-08 13:00:00Z" in said


def test_a_sound_audit(here: Noria) -> None:
    said = here("audit")
    assert said.code == 0
    assert said.out.startswith("delay: 18 events, all as appended; head blake3:")
    events = here("audit", "delay", "--events").out
    assert "alias.moved" in events
    assert "champion: nothing -> delay:1, by gates: auc 0.71 is at least 0.68" in events
    assert len(here("audit", "--events", "--json").json[0]["entries"]) == 18


def test_a_pipe_gets_no_colour(here: Noria) -> None:
    assert "\033" not in here("show", "delay/1").out

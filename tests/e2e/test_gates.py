"""Gates as their user sees them: each kind in noria.toml, judged again, approved by a person, and drilled."""

from e2e.project import Project
from noria.app.judging.asked import anchor_of
from noria.app.wiring import open_app

LATER = "2024-02-25T00:00:00Z"
EXPECTATION = """

@demand.expect("not lower")
def a_warmer_day_sells_more(days: pl.DataFrame) -> pl.DataFrame:
    return days.with_columns(pl.col("warm") + 5)
"""
GATES = """
error = [
    { no_worse_than = "champion", margin = 0.5, segments = ["shop"] },
    { no_worse_than = "demand:1", margin = 0.5 },
]
latency_p99_ms = { at_most = 2000 }
memory_mb = { at_most = 4000 }
size_mb = { at_most = 1 }
robustness = { noise = 0.01, missing = 0.0, at_most = 0.5 }
schema = "same"
"""


def verdicts(judgement: dict) -> dict[str, str]:
    return {one["gate"]: one["outcome"] for one in judgement["verdicts"]}


def test_every_gate_of_a_served_candidate_is_asked(trained: Project) -> None:
    trained.write("pipeline.py", (trained.folder / "pipeline.py").read_text() + EXPECTATION)
    trained.replace("noria.toml", 'error = { no_worse_than = "champion", margin = 0.5 }', GATES)
    done = trained.json("run", "--as-of", LATER)
    assert verdicts(done["judgement"]) == dict.fromkeys(
        [
            "error against champion",
            "error against champion by shop",
            "error against demand:1",
            "latency_p99_ms",
            "memory_mb",
            "size_mb",
            "robustness",
            "schema",
            "r2",
            "expect a_warmer_day_sells_more",
        ],
        "pass",
    )
    evidence = {one["gate"]: one["evidence"] for one in done["judgement"]["verdicts"]}
    assert len(evidence["latency_p99_ms"]["p99_ms"]) == 5  # rounds of one real worker
    assert {one["segment"] for one in evidence["error against champion by shop"]["segments"]} == {
        "north",
        "south",
    }


def test_a_person_has_the_last_word_and_then_holds_the_anchor(trained: Project) -> None:
    trained.replace("noria.toml", "r2 = ", 'approval = "required"\nr2 = ')
    held = trained.noria("run", "--as-of", LATER, exit=1)
    assert 'noria approve demand:2 --why "..."' in held.stdout
    assert trained.json("status")[0]["waiting"] == ["demand:2"]
    trained.noria("approve", "demand:2", "--why", " ", exit=2)
    trained.noria("approve", "demand:2", "--why", "looked", "--dry-run")
    assert trained.version("demand@champion")["number"] == 1
    approved = trained.json("approve", "demand:2", "--why", "looked at the card", "--by", "ada")
    assert (approved["moved"]["after"], approved["moved"]["by"]) == (2, "ada")
    assert "waiting" not in trained.json("status")[0]
    shown = trained.noria("show", "demand:2").stdout
    assert "approved by ada" in shown and "looked at the card" in shown
    refused = trained.json("approve", "demand:2", "--refuse", "--why", "no, after all")
    assert verdicts(refused["judgement"])["approval"] == "fail"
    assert "demand:2 refused by" in trained.noria("audit", "--events").stdout
    with open_app(trained.folder) as app:
        assert anchor_of(change for _, change in app.records.ledger.events("demand")) == 2


def test_with_a_rollout_a_persons_word_lets_one_begin(trained: Project) -> None:
    trained.replace("noria.toml", "r2 = ", 'approval = "required"\nr2 = ')
    text = (trained.folder / "noria.toml").read_text()
    trained.write("noria.toml", text + '\n[model.demand.rollout]\nstrategy = "canary"\nsteps = ["10%"]\n')
    trained.noria("run", "--as-of", LATER, exit=1)
    approved = trained.json("approve", "demand:2", "--why", "looked at the card", "--by", "ada")
    assert (approved["rollout"], approved.get("moved")) == ("demand/r1", None)
    assert trained.version("demand@champion")["number"] == 1
    assert "demand/r1" in trained.noria("status").stdout


def test_margins_do_not_add_up_unseen(trained: Project) -> None:
    trained.noria("run", "--as-of", LATER)  # the gates promote demand:2: its word moves no anchor
    third = trained.json("run", "--as-of", "2024-02-28T00:00:00Z", exit=None)["judgement"]
    assert (third["champion"], third["anchor"]) == (2, 1)
    against = {
        one["gate"]: one["evidence"]["against"] for one in third["verdicts"] if "alpha" in one["evidence"]
    }
    assert against == {"error against champion": "demand:2", "error against anchor": "demand:1"}


def test_approval_means_nothing_where_no_gate_waits_for_it(trained: Project) -> None:
    done = trained.noria("approve", "demand:1", "--why", "x", exit=2)
    assert "APPROVAL-NOT-ASKED" in done.stderr and 'approval = "required"' in done.stderr


def test_a_version_is_judged_again_by_todays_gates_and_data(trained: Project) -> None:
    trained.replace("noria.toml", "r2 = { at_least = 0.1 }", "r2 = { at_least = 0.9999 }")
    dry = trained.noria("gate", "demand:1", "--as-recorded", "--dry-run", exit=1)
    assert "own holdout; nothing was recorded" in dry.stdout and "under 0.9999" in dry.stdout
    assert len(trained.json("show", "demand:1")["judgements"]) == 1
    trained.replace("noria.toml", "r2 = { at_least = 0.9999 }", "r2 = { at_least = 0.1 }")
    again = trained.json(
        "gate", "demand:1", exit=None
    )  # all days are known by now, and the world has changed
    assert again["data"] and again["cause"] == "asked"
    error = next(one for one in again["verdicts"] if one["gate"] == "error against champion")
    assert error["evidence"]["rows"] == (120 - 40 + 8) * 20  # what it was not trained on
    assert len(trained.json("show", "demand:1")["judgements"]) == 2


def test_a_drill_says_which_known_faults_the_gates_see(trained: Project) -> None:
    trained.replace(
        "noria.toml", "r2 = ", "latency_p50_ms = { at_most = 80 }\nr2 = "
    )  # a slow model takes 100 more
    report = trained.json("drill", "gates")
    came_to = {plant["name"]: plant["caught"] for plant in report["plants"]}
    assert came_to == {
        "label shuffle": "caught",
        "leaked label": "caught",
        "truncated data": "caught",
        "stale features": "caught",
        "unit change": "caught",
        "swapped columns": "not planted",
        "NaN weights": "caught",
        "slow model": "caught",
    }
    by = {plant["name"]: plant.get("by", []) for plant in report["plants"]}
    assert "error against champion" in by["label shuffle"]
    assert "data check leakage" in by["leaked label"]
    assert len(trained.json("models")[0]["versions"]) == 1  # nothing was registered
    assert by["slow model"] == ["latency_p50_ms"]
    assert "7 of 7 planted candidates caught (100%)" in trained.noria("status").stdout
    assert "7 of 7" in trained.noria("show", "demand:1").stdout
    assert "all as appended" in trained.noria("audit").stdout


def test_what_is_refused_without_a_fault_catches_none(trained: Project) -> None:
    trained.replace("noria.toml", "r2 = ", "latency_p50_ms = { at_most = 0.001 }\nr2 = ")
    strict = "\n[model.demand.data]\nleakage = 0.9\n"  # the weather says more of the label
    trained.write("noria.toml", (trained.folder / "noria.toml").read_text() + strict)
    trained.noria("run", "--as-of", LATER, "--accept-data", exit=1)
    report = trained.json("drill", "gates", exit=None)
    by = {plant["name"]: plant.get("by", []) for plant in report["plants"]}
    assert "data check leakage" not in by["truncated data"]
    assert "data check volume" in by["truncated data"]
    assert report["control"] == "fail"
    assert "data check leakage" in report["why"] and "latency_p50_ms" in report["why"]

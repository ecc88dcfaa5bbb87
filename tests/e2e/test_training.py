"""`noria run` as its user sees it: what runs and why, what is kept, what is judged."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from e2e.project import Project

FIRST = "2024-02-10T00:00:00Z"
LATER = "2024-02-25T00:00:00Z"


def reasons(project: Project, run: str) -> dict[str, str]:
    """Step name to `ran` or `reused`, as `noria show` tells it."""
    card = project.json("show", run)
    return {step["step"]: step["reason"]["type"] for step in card["steps"]}


def test_a_first_run_makes_a_champion(project: Project) -> None:
    done = project.noria("run", "--as-of", FIRST)
    assert "demand:1" in done.stdout
    assert "no champion yet" in done.stdout
    version = project.version("demand@champion")
    assert version["number"] == 1
    assert version["as_of"] == FIRST
    assert version["data"]["rows"] == 40 * 20
    assert version["metrics"]["r2"] > 0.5
    assert [column["name"] for column in version["signature"]["request"]] == ["id", "asked", "warm", "shop"]


def test_nothing_runs_twice(trained: Project) -> None:
    done = trained.noria("run", "--as-of", FIRST)
    assert "demand:1" in done.stdout
    assert reasons(trained, "demand/2") == {
        "days": "ran",
        "features": "reused",
        "split": "reused",
        "model": "reused",
        "quality": "reused",
    }
    assert len(trained.json("models")[0]["versions"]) == 1


def test_only_what_a_change_reaches_runs_again(trained: Project) -> None:
    trained.replace("pipeline.py", "    return weights", "    return weights * 1.01")
    trained.noria("run", "--as-of", FIRST, exit=None)
    assert reasons(trained, "demand/2") == {
        "days": "ran",
        "features": "reused",
        "split": "reused",
        "model": "ran",
        "quality": "ran",
    }
    why = {step["step"]: step["reason"].get("why", "") for step in trained.json("show", "demand/2")["steps"]}
    assert "code" in why["model"]
    assert "model" in why["quality"]


def test_what_is_saved_in_an_editor_while_a_run_trains_is_the_next_runs(project: Project) -> None:
    saves = """    from pathlib import Path

    text = Path(__file__).read_text()
    Path(__file__).write_text(text.replace("return model[0] " + "+", "return 1.0 + model[0] " + "+"))
    print("splitting\""""
    project.replace("pipeline.py", '    print("splitting"', saves)
    before = (project.folder / "pipeline.py").read_text()
    project.noria("run", "--as-of", FIRST)
    assert "return 1.0 + model[0] +" in (project.folder / "pipeline.py").read_text()
    project.write("pipeline.py", before)
    project.noria("run", "--as-of", FIRST)
    assert len(project.json("models")[0]["versions"]) == 1
    project.replace("pipeline.py", "return model[0] +", "return 1.0 + model[0] +")
    project.noria("run", "--as-of", FIRST, exit=None)
    assert len(project.json("models")[0]["versions"]) == 2


def test_a_parameter_is_part_of_the_fingerprint_and_reaches_the_service_graph(trained: Project) -> None:
    trained.noria("run", "--as-of", FIRST, "--set", "features.scale=2.0", exit=None)
    again = reasons(trained, "demand/2")
    assert again["features"] == "ran"
    first, second = trained.version("demand:1"), trained.version("demand:2")
    assert second["graph"]["parameters"]["features"] == {"scale": 2.0}
    assert second["metrics"]["error"] == pytest.approx(first["metrics"]["error"], rel=1e-9)


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("model.recent_day=3", "recent_days"),
        ("nodel.x=1", "model"),
        ("model.recent_days=soon", "recent_days"),
    ],
)
def test_a_wrong_setting_says_what_is_meant(project: Project, setting: str, code: str) -> None:
    done = project.noria("run", "--as-of", FIRST, "--set", setting, exit=2)
    assert "error[" in done.stderr and code in done.stderr and "next:" in done.stderr
    assert project.json("runs") == []


def test_a_worse_candidate_is_refused_and_kept_with_its_evidence(trained: Project) -> None:
    trained.replace("pipeline.py", "return model[0] +", "return 25 + model[0] +")
    done = trained.noria("run", "--as-of", LATER, exit=1)
    assert "fail" in done.stdout
    card = trained.json("show", "demand:2")
    verdict = card["judgements"][0]["verdicts"][0]
    assert verdict["outcome"] == "fail"
    assert verdict["evidence"]["candidate"] > verdict["evidence"]["other"] + 20
    assert trained.version("demand@champion")["number"] == 1
    refused = trained.noria("promote", "demand:2", exit=3)
    assert "PROMOTE-REFUSED" in refused.stderr


def test_both_versions_answer_with_their_own_code_and_one_loss_scores_both(trained: Project) -> None:
    """The champion's code adds nothing, the candidate's loss is doubled: both must be scored by the doubled one."""
    first = trained.version("demand:1")["metrics"]["error"]
    trained.replace("pipeline.py", "return np.abs(label - answer)", "return 2 * np.abs(label - answer)")
    trained.noria("run", "--as-of", FIRST, exit=None)
    verdict = trained.json("show", "demand:2")["judgements"][0]["verdicts"][0]
    assert verdict["evidence"]["candidate"] == pytest.approx(2 * first, rel=1e-9)
    assert verdict["evidence"]["other"] == pytest.approx(verdict["evidence"]["candidate"], rel=1e-9)


def test_rows_that_the_champion_was_trained_on_are_left_out(trained: Project) -> None:
    trained.noria("run", "--as-of", "2024-02-14T00:00:00Z", exit=None)
    evidence = trained.json("show", "demand:2")["judgements"][0]["verdicts"][0]["evidence"]
    assert evidence["rows"] + evidence["left_out"] == 8 * 20
    assert evidence["left_out"] == 0, "the last eight days were holdout or future to the champion"
    trained.noria("run", "--as-of", FIRST, "--set", "split.holdout_days=20", exit=None)
    evidence = trained.json("show", "demand:3")["judgements"][0]["verdicts"][0]["evidence"]
    assert evidence["left_out"] > 0


def test_promotion_by_hand_and_back(trained: Project) -> None:
    trained.noria("run", "--as-of", LATER, "--no-promote", exit=None)
    trained.noria("promote", "demand:2", "--why", "looks right", "--force")
    assert trained.json("models")[0]["aliases"]["champion"] == 2
    trained.noria("rollback", "demand")
    assert trained.json("models")[0]["aliases"]["champion"] == 1
    assert "ROLLBACK-NONE" in trained.noria("rollback", "demand", exit=3).stderr
    assert trained.noria("audit").returncode == 0


def test_a_candidate_that_passes_begins_a_rollout_where_the_policy_wants_one(trained: Project) -> None:
    monitor = "[model.demand.monitor]"
    trained.replace("noria.toml", monitor, f'[model.demand.rollout]\nsteps = ["10%"]\n\n{monitor}')
    trained.replace("pipeline.py", "    return weights", "    return weights * 1.0001")
    done = trained.noria("run", "--as-of", FIRST)
    assert "rollout demand/r1 has begun, by canary" in done.stdout
    assert trained.json("models")[0]["aliases"]["champion"] == 1
    rollout = trained.json("rollout", "status", "demand")["rollout"]
    assert (rollout["version"], rollout["champion"], rollout["by"]) == (2, 1, "gates")
    trained.replace("pipeline.py", "weights * 1.0001", "weights * 1.0002")
    told = trained.noria("run", "--as-of", FIRST).stdout
    assert "not rolled out: rollout demand/r1 of demand:2 is under way, and a model has one at a time" in told
    assert trained.json("rollout", "status", "demand")["rollout"]["version"] == 2
    assert trained.noria("audit").returncode == 0


def test_two_runs_differ_in_what_was_changed(trained: Project) -> None:
    trained.replace("pipeline.py", "recent_days: int = 15", "recent_days: int = 20")
    trained.noria("run", "--as-of", LATER, exit=None)
    text = trained.noria("diff", "demand/1", "demand/2").stdout
    for expected in ("pipeline.py", "recent_days", "800", "error"):
        assert expected in text
    found = trained.json("diff", "demand/1", "demand/2")
    assert json.dumps(found).count("recent_days") > 0


def test_the_source_of_a_run_holds_the_dirty_tree_and_no_secret(project: Project) -> None:
    project.write(".gitignore", "ignored.txt\n")
    project.commit()
    project.write("ignored.txt", "ignored content")
    project.write(".env", "TOKEN=very-secret")
    project.write("notes.md", "an untracked file")
    project.replace("pipeline.py", "recent_days: int = 15", "recent_days: int = 25")
    project.noria("run", "--as-of", FIRST)
    source = project.json("show", "demand/1")["view"]["run"]["asked"]["provenance"]["source"]
    assert source["dirty"] is True
    assert source["commit"] == project.git("rev-parse", "HEAD").strip()
    assert source["branch"] == "main"
    assert "notes.md" in source["untracked"]
    stored = [
        path.read_bytes() for path in (project.folder / ".noria" / "objects").rglob("*") if path.is_file()
    ]
    assert any(b"recent_days: int = 25" in content for content in stored)
    assert any(b"an untracked file" in content for content in stored)
    assert not any(b"very-secret" in content or b"ignored content" in content for content in stored)


def test_a_pipeline_without_predict_runs_and_makes_no_version(make_project: Callable[..., Project]) -> None:
    pipeline = (
        "import noria\n\nplain = noria.Pipeline('plain')\n\n\n@plain.step\ndef one():\n    return 1\n\n\n"
        "@plain.step\ndef two(one):\n    return one + 1\n"
    )
    project = make_project(pipeline, '[model.plain]\npipeline = "pipeline:plain"\n')
    project.noria("run")
    card = project.json("show", "plain/1")
    assert card["view"]["state"] == "succeeded"
    assert "version" not in card


def test_what_changes_no_answer_makes_no_version(trained: Project) -> None:
    trained.write("README.md", "Words for people.")
    trained.replace("pipeline.py", "return weights", "return weights  # fitted by least squares")
    trained.noria("run", "--as-of", FIRST)
    assert len(trained.json("models")[0]["versions"]) == 1
    trained.replace("pipeline.py", "return model[0] +", "return 0.001 + model[0] +")
    trained.noria("run", "--as-of", FIRST, exit=None)
    assert len(trained.json("models")[0]["versions"]) == 2, "predict's code is part of a version"


def test_a_gate_on_what_is_no_loss_is_told_before_anything_runs(project: Project) -> None:
    project.replace("noria.toml", "error = { no_worse_than", "r3 = { no_worse_than")
    done = project.noria("run", exit=2)
    assert "POLICY-MISMATCH" in done.stderr and "only the loss, error" in done.stderr
    assert project.json("runs") == []


def test_a_champion_that_the_new_loss_cannot_score_leaves_the_candidate_undecided(trained: Project) -> None:
    trained.replace("pipeline.py", "    return model[0] + features", "    answers = model[0] + features")
    trained.replace(
        "pipeline.py", "@ model[1:]\n", "@ model[1:]\n    return np.column_stack([answers, answers])\n"
    )
    trained.replace("pipeline.py", "return np.abs(label - answer)", "return np.abs(label - answer[:, 1])")
    trained.replace("pipeline.py", "sold(model, holdout))", "sold(model, holdout)[:, 0])")
    trained.noria("run", "--as-of", FIRST, exit=1)
    verdict = trained.json("show", "demand:2")["judgements"][0]["verdicts"][0]
    assert verdict["outcome"] == "undecided"
    assert "cannot be compared" in verdict["why"]
    assert trained.json("models")[0]["aliases"]["champion"] == 1

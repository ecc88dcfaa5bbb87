"""The plan without the run, one step again, what was printed, and steps that run anew."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from e2e.project import FIRST, Project
from e2e.test_fanout import LISTS
from e2e.test_fanout import POLICY as SUMS


def will(project: Project, *words: str) -> dict[str, str]:
    return {
        one["step"]: one["will"]
        for one in project.json("run", "--dry-run", "--as-of", FIRST, *words)["steps"]
    }


def test_a_dry_run_tells_what_a_run_then_does(project: Project) -> None:
    assert will(project) == {
        **{"days": "read", "features": "depends", "split": "depends"},
        **{"model": "depends", "quality": "depends"},
    }
    assert project.json("runs") == [], "nothing was begun"
    project.noria("run", "--as-of", FIRST)
    assert set(will(project).values()) == {"read", "reuse"}
    changed = will(project, "--set", "model.recent_days=9")
    assert changed == {
        **{"days": "read", "features": "reuse", "split": "reuse"},
        **{"model": "run", "quality": "depends"},
    }
    steps = project.json("run", "--as-of", FIRST, "--set", "model.recent_days=9")["steps"]
    ran = {step["step"] for step in steps if step["reason"]["type"] == "ran"}
    assert ran == {"days", "model", "quality"}
    why = project.json("run", "--dry-run", "--as-of", FIRST)["steps"]
    assert [one["why"] for one in why if one["step"] == "model"] == ["demand/1"]


def test_from_a_step_all_that_reads_it_runs_anew(trained: Project) -> None:
    steps = trained.json("run", "--as-of", FIRST, "--from", "split")["steps"]
    reasons = {step["step"]: step["reason"].get("why") for step in steps}
    assert reasons["features"] is None
    assert [reasons[name] for name in ("split", "model")] == ["asked for"] * 2
    error = trained.noria("run", "--from", "splitt", exit=3).stderr
    assert "STEP-UNKNOWN" in error and "split" in error


def test_one_step_again_tells_whether_it_gives_the_same(trained: Project) -> None:
    before = trained.json("runs")
    same = trained.json("run", "--only", "model")
    assert same["outputs"][0]["made"]["digest"] == same["outputs"][0]["recorded"]
    trained.replace("pipeline.py", "return weights", "return weights + 1")
    other = trained.json("run", "--only", "model", "--of", "demand/1")
    assert other["outputs"][0]["made"]["digest"] != other["outputs"][0]["recorded"]
    assert trained.json("runs") == before, "nothing was recorded"
    assert "STEP-RAISED" not in trained.noria("run", "--only", "days").stderr


def test_a_breakpoint_of_one_step_again_meets_its_inputs(trained: Project) -> None:
    trained.replace("pipeline.py", "    return weights", "    breakpoint()\n    return weights")
    process = trained.start("run", "--only", "model", stdin=-1)
    out, err = process.communicate("p train.height\nc\n", timeout=60)
    assert process.returncode == 0, err
    assert "(Pdb) " in out
    assert int(out.split("(Pdb) ")[1].split()[0]) > 500


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("run", "--only", "nothing"), "STEP-UNKNOWN"),
        (("run", "--only", "model", "--of", "demand/9"), "RUN-UNKNOWN"),
        (("run", "--of", "demand/1"), "USAGE"),
        (("logs", "demand/last", "nothing"), "STEP-UNKNOWN"),
    ],
)
def test_what_is_not_there(trained: Project, words: tuple[str, ...], code: str) -> None:
    assert code in trained.noria(*words, exit=None).stderr


def test_a_failed_run_has_no_inputs_for_what_it_never_reached(project: Project) -> None:
    project.replace("pipeline.py", "last = features", "raise RuntimeError('no'); last = features")
    project.noria("run", "--as-of", FIRST, exit=1)
    error = project.noria("run", "--only", "model", exit=3).stderr
    assert "STEP-INPUT-GONE" in error and "train" in error


def test_logs_of_steps_items_and_failures(make_project: Callable[..., Project]) -> None:
    project = make_project(LISTS.replace("N)", "3)").replace("::N", "::3"), SUMS)
    project.noria("run")
    assert project.noria("logs", "sums/last").stdout.splitlines() == [
        f"parts[{n}] | in fold {n}" for n in range(3)
    ]
    assert project.noria("logs", "sums/1", "parts[1]").stdout == "parts[1] | in fold 1\n"
    project.replace("pipeline.py", 'print("in fold"', 'print("now fold"')
    project.replace("pipeline.py", 'return fold["rows"][', 'return 1 / 0, fold["rows"][')
    project.noria("run", exit=1)
    (failed,) = [one for one in project.json("logs", "sums/2") if one.get("failed")]
    assert failed["text"].startswith("now fold")
    project.noria("run", exit=1)


def test_attempts_that_failed_are_told_and_their_logs_kept(project: Project) -> None:
    project.replace(
        "pipeline.py",
        "@demand.step\ndef model",
        "@demand.step(retries=noria.Retry(code=2, wait=0.01))\ndef model",
    )
    project.replace(
        "pipeline.py",
        "    recent = train",
        "    from pathlib import Path\n    tries = Path('tries')\n"
        "    count = len(tries.read_text()) if tries.exists() else 0\n    tries.write_text('x' * (count + 1))\n"
        "    print('try', count)\n    assert count > 1, 'not yet'\n    recent = train",
    )
    told = project.noria("run", "--as-of", FIRST).stderr
    assert "model: attempt 1 failed (step model raised AssertionError: not yet" in told
    assert project.noria("logs", "demand/last", "model").stdout.splitlines() == [
        "model attempt 1 | try 0",
        "model attempt 2 | try 1",
        "model | try 2",
    ]
    (project.folder / "tries").unlink()
    project.replace("pipeline.py", "code=2", "code=1")
    assert "not yet" in project.noria("run", "--as-of", FIRST, "--from", "model", exit=1).stderr


def test_a_step_that_takes_too_long_is_ended(project: Project) -> None:
    project.replace("pipeline.py", "@demand.step\ndef model", "@demand.step(timeout=0.5)\ndef model")
    project.replace(
        "pipeline.py",
        "    recent = train",
        "    import time; print('slow', flush=True); time.sleep(60)\n    recent = train",
    )
    error = project.noria("run", "--as-of", FIRST, exit=1).stderr
    assert "STEP-TIMEOUT" in error and "0.5 s" in error and "slow" in error


def test_a_killed_step_goes_on_from_its_checkpoint(project: Project) -> None:
    project.replace(
        "pipeline.py",
        "    recent = train",
        "    import os, signal\n    kept = noria.checkpoint()\n    done = kept.load(default=[])\n"
        "    for epoch in range(len(done), 4):\n        print('epoch', epoch, flush=True)\n"
        "        done = [*done, epoch]\n        kept.save(done)\n"
        "        if epoch == 1: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    assert done == [0, 1, 2, 3]\n    recent = train",
    )
    project.noria("run", "--as-of", FIRST)
    lines = project.noria("logs", "demand/last", "model").stdout.splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == ["0", "1", "2", "3"]


def test_resources_that_no_machine_has(project: Project) -> None:
    project.replace(
        "pipeline.py",
        "@demand.step\ndef model",
        "@demand.step(resources=noria.Resources(cpus=4000))\ndef model",
    )
    error = project.noria("run", "--as-of", FIRST, exit=2).stderr
    assert "ENGINE-TOO-SMALL" in error and "4000 cores" in error


def test_memory_is_held_to_what_was_declared(project: Project) -> None:
    project.replace(
        "pipeline.py",
        "@demand.step\ndef model",
        "@demand.step(resources=noria.Resources(memory='200MiB'))\ndef model",
    )
    project.replace(
        "pipeline.py",
        "    recent = train",
        "    block = np.ones(400 * 2**20, dtype=np.uint8)\n    recent = train",
    )
    error = project.noria("run", "--as-of", FIRST, exit=1).stderr
    assert "MemoryError" in error
    project.replace("pipeline.py", "400 * 2**20", "100 * 2**20")
    project.noria("run", "--as-of", FIRST)

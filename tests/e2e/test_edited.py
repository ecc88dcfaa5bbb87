"""A project that is edited while it trains: no result stands under the name of code that did not make it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from e2e.project import Project

POLICY = '[engine]\ncpus = 2\n\n[model.sums]\npipeline = "pipeline:sums"\n'
PIPELINE = """
import noria

sums = noria.Pipeline("sums")

@sums.step
def numbers():
    from pathlib import Path

    path = Path(__file__)
    path.write_text(path.read_text().replace("number * " + "2", "number * " + "3"))  # an editor saves
    return [10, 20]

@sums.step
def times(numbers: noria.Each[int]):
    number = numbers
    return number * 2

@sums.step
def total(times):
    print("the total is", sum(times))
    return sum(times)
"""


def test_a_worker_that_starts_after_an_edit_refuses_and_the_next_run_is_that_of_the_new_code(
    make_project: Callable[..., Project],
) -> None:
    """The first worker has the old code, the second of the fan-out would have the new."""
    project = make_project(PIPELINE, POLICY)
    ended = project.noria("run", exit=3)
    assert "error[SOURCE-CHANGED]: pipeline.py was changed after this run had begun" in ended.stderr
    assert "run again: what has finished is kept" in ended.stderr
    assert "number * 3" in Path(project.folder, "pipeline.py").read_text()

    again = project.noria("run")
    assert "the total is 90" in again.stdout + again.stderr
    reasons = {step["step"]: step["reason"]["type"] for step in project.json("show", "sums/2")["steps"]}
    assert reasons == {"numbers": "reused"} | dict.fromkeys(("times[0]", "times[1]", "times", "total"), "ran")

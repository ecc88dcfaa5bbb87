"""What differs between two runs, beyond what the reading commands' tests show."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from noria.app.diff import Change, diff
from noria.app.wiring import App
from noria.cli.diff import diff_lines
from noria.records.artifacts import Column
from noria.records.base import canonical, digest_bytes
from noria.records.events import RunFinished
from noria.records.runs import Run, StepResult, Succeeded
from noria.records.sources import Tree, TreeFile
from unit.app.stored import COLUMNS, START, asked, opened, project, step

LOCK = "numpy=={} --hash=sha256:aa\npolars==1.0 --hash=sha256:bb\n{}"


def ran(app: App, number: int, *, lock: str = "", result: StepResult | None = None) -> Run:
    """A finished run whose tree holds a lock file."""
    at = START + timedelta(hours=number)
    wanted = asked(app, 1, 0.1, at=at)
    if lock:
        file = TreeFile(path="requirements.txt", digest=app.store.put(lock.encode()))
        tree = app.store.put(canonical(Tree(files=(file,))))
        pinned = wanted.provenance
        wanted = msgspec.structs.replace(
            wanted,
            provenance=msgspec.structs.replace(
                pinned,
                source=msgspec.structs.replace(pinned.source, tree=tree),
                environment=msgspec.structs.replace(
                    pinned.environment, lock="requirements.txt", packages=digest_bytes(lock.encode())
                ),
            ),
        )
    run = app.records.ledger.begin(wanted, at=at)
    steps = (result,) if result else ()
    ended = RunFinished(model="delay", run=run.number, finished=at, outcome=Succeeded(), steps=steps)
    app.records.ledger.append("delay", [ended], at=at)
    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path)


def test_packages_by_name_and_version(folder: Path) -> None:
    with opened(folder) as app:
        ran(app, 1, lock=LOCK.format("2.1", ""))
        ran(app, 2, lock=LOCK.format("2.2", "scipy==1.14 --hash=sha256:cc\n"))
        found = diff(app, "delay/1", "delay/2")
    assert set(found.packages) == {
        Change(name="numpy", a="2.1", b="2.2"),
        Change(name="scipy", a=None, b="1.14"),
    }
    assert [change.path for change in found.code] == ["requirements.txt"]
    text = "\n".join(diff_lines(found))
    assert "  numpy: 2.1 -> 2.2" in text
    assert "  scipy: absent -> 1.14" in text
    assert "+numpy" not in text, "a lock file's lines say nothing that its packages do not"


def test_data_that_changed_its_schema(folder: Path) -> None:
    before = step("flights", code=1)
    assert before.data
    columns = (*COLUMNS[1:], Column(name="wind", type="double"))
    data = msgspec.structs.replace(before.data, digest=digest_bytes(b"new"), rows=1200, columns=columns)
    after = msgspec.structs.replace(before, data=data)
    with opened(folder) as app:
        ran(app, 1, result=before)
        ran(app, 2, result=after)
        found = diff(app, "delay/1", "delay/2")
    (change,) = found.data
    assert not change.same
    assert set(change.columns) == {
        Change(name="flight_id", a="int64"),
        Change(name="wind", b="double"),
    }
    text = "\n".join(diff_lines(found))
    assert "    - 1,000 rows of 4 columns" in text
    assert "    + 1,200 rows of 4 columns" in text
    assert "    column wind: absent -> double" in text


def test_outputs_that_differ_without_a_reason_are_told(folder: Path) -> None:
    before = step("classifier", code=1)
    other = step("classifier", code=1, rate=0.3)
    after = msgspec.structs.replace(before, outputs=other.outputs)
    with opened(folder) as app:
        ran(app, 1, result=before)
        ran(app, 2, result=after)
        found = diff(app, "delay/1", "delay/2")
    assert (
        "classifier: nothing that Noria knows of: is there a seed?; outputs classifier differ"
        in "\n".join(diff_lines(found))
    )

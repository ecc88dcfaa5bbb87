"""A run's code is read once, as it begins, and is that of the source tree which the run records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from noria.adapters.folder import FolderStore
from noria.app.begun import Begun, as_begun
from noria.declare import resolve
from noria.graph.errors import SourceChanged
from noria.graph.load import forget, load_pipeline
from noria.ports.engine import Job
from noria.records.base import canonical, digest_bytes
from noria.records.sources import Tree, TreeFile
from noria.records.tasks import RunStep
from noria.testing.engine_site import NOW

FILES = {
    "pipeline.py": "import noria\nimport helpers\n\np = noria.Pipeline('p')\n\n@p.step\ndef one():\n    return helpers.ONE\n",
    "helpers.py": "ONE = 1\n",
    "unreached.py": "",
}


class Engine:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def submit(self, job: Job) -> None:
        self.jobs.append(job)


class Place:
    """A project whose tree was captured, as a run that begins sees it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = FolderStore(root / ".noria")
        for name, text in FILES.items():
            (root / name).write_text(text)
        files = [TreeFile(path=name, digest=self.store.put(text.encode())) for name, text in FILES.items()]
        self.tree = self.store.put(canonical(Tree(files=tuple(files))))

    def begun(self) -> Begun:
        app: Any = SimpleNamespace(project=self.root, store=self.store, state=self.root / ".noria")
        asked: Any = SimpleNamespace(provenance=SimpleNamespace(source=SimpleNamespace(tree=self.tree)))
        return as_begun(app, resolve(load_pipeline(self.root, "pipeline:p")), asked)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    yield Place(tmp_path)
    forget(tmp_path)


def test_each_job_names_the_files_that_the_pipelines_code_reaches(place: Place) -> None:
    begun, engine = place.begun(), Engine()
    (place.root / "helpers.py").write_text("ONE = 2\n")  # saved since
    task = RunStep(pipeline="pipeline:p", step="one", inputs={}, as_of=NOW)
    begun.held(engine).submit(Job(id="one", task=task))  # type: ignore[arg-type]  # nothing else is asked of it
    (job,) = engine.jobs
    assert job.files == {name: digest_bytes(FILES[name].encode()) for name in ("pipeline.py", "helpers.py")}


def test_outlines_that_an_earlier_run_kept_change_none_of_it(place: Place) -> None:
    first = place.begun()
    assert len(list((place.root / ".noria" / "outlines").iterdir())) == len(first.code.files) == 2
    assert place.begun().code.files == first.code.files
    (place.root / "helpers.py").write_text("ONE = 2\n")
    with pytest.raises(SourceChanged, match=r"helpers\.py was changed"):
        place.begun()


def test_what_was_saved_since_the_tree_was_captured_begins_no_run(place: Place) -> None:
    (place.root / "helpers.py").write_text("ONE = 2\n")
    with pytest.raises(SourceChanged, match=r"helpers\.py was changed"):
        place.begun()


def test_what_the_pipeline_does_not_reach_or_the_tree_does_not_hold_is_free(place: Place) -> None:
    (place.root / "unreached.py").write_text("X = 1\n")
    (place.root / "pipeline.py").write_text(FILES["pipeline.py"])
    place.tree = place.store.put(canonical(Tree(files=())))  # git ignores all of it
    assert set(place.begun().code.files) == {"pipeline.py", "helpers.py"}

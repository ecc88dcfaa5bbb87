"""What a process has imported of a project is known by its bytes, and held to what was asked for."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from noria.graph.errors import SourceChanged
from noria.graph.imported import Imported
from noria.graph.load import forget, load_pipeline
from noria.records.base import digest_bytes

PIPELINE = """
import noria
from parts import helpers

p = noria.Pipeline("p")

@p.step
def value():
    from parts import lazy
    return helpers.ONE + lazy.TWO

@p.step
def careless():
    try:
        return value()
    except Exception:
        return 0
"""
HELPERS, LAZY = "ONE = 1\n", "TWO = 2\n"
FILES = {
    "pipeline.py": PIPELINE,
    "src/parts/__init__.py": "",
    "src/parts/helpers.py": HELPERS,
    "src/parts/lazy.py": LAZY,
}
TOLD = {place: digest_bytes(text.encode()) for place, text in FILES.items()}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for place, text in FILES.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text)
    monkeypatch.setattr(sys, "path_hooks", list(sys.path_hooks))
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "src"), *sys.path])
    yield tmp_path
    forget(tmp_path)


@pytest.fixture
def imported(root: Path) -> Imported:
    made = Imported(root)
    made.follow()
    return made


def steps(root: Path) -> dict[str, Callable[[], int]]:
    return {name: step.function for name, step in load_pipeline(root, "pipeline:p").steps.items()}


def test_code_that_is_as_it_was_runs(root: Path, imported: Imported) -> None:
    with imported.held_to(TOLD):
        assert steps(root)["value"]() == 3
    with imported.held_to(TOLD):
        assert steps(root)["value"]() == 3
    (root / "pipeline.py").write_text("saved since, which is the next run's")
    with imported.held_to(TOLD):
        assert steps(root)["value"]() == 3


@pytest.mark.parametrize("place", ["pipeline.py", "src/parts/helpers.py"])
def test_a_file_that_changed_before_it_was_imported_is_refused(
    root: Path, imported: Imported, place: str
) -> None:
    (root / place).write_text(FILES[place] + "# new\n")
    steps(root)  # by a worker that is warmed: of no run yet
    with pytest.raises(SourceChanged) as caught, imported.held_to(TOLD):
        pytest.fail("nothing is performed")
    assert caught.value.files == [place]
    with imported.held_to({**TOLD, place: digest_bytes((root / place).read_bytes())}):
        assert steps(root)["value"]() == 3


def test_a_file_that_cannot_be_imported_any_more_is_told_as_changed(root: Path, imported: Imported) -> None:
    (root / "pipeline.py").write_text("def half(")
    with pytest.raises(SourceChanged, match=r"pipeline\.py was changed"), imported.held_to(TOLD):
        steps(root)


@pytest.mark.parametrize("step", ["value", "careless"])
def test_what_a_step_imports_while_it_runs_is_refused_even_if_it_swallows_that(
    root: Path, imported: Imported, step: str
) -> None:
    with imported.held_to(TOLD):
        found = steps(root)[step]
        (root / "src/parts/lazy.py").write_text("TWO = 4\n")
    with pytest.raises(SourceChanged, match=r"src/parts/lazy\.py"), imported.held_to(TOLD):
        found()


def test_files_that_the_run_does_not_name_or_nobody_imports_are_free(root: Path, imported: Imported) -> None:
    (root / "src/parts/lazy.py").write_text("TWO = 4\n")
    named = {place: digest for place, digest in TOLD.items() if place != "src/parts/lazy.py"}
    unread = {"tests/nobody.py": digest_bytes(b"")}
    with imported.held_to({**named, **unread}):
        (root / "tests").mkdir()
        (root / "tests" / "nobody.py").write_text("made = 'by the step itself'\n")
        assert steps(root)["value"]() == 5


def test_bytecode_of_another_state_of_the_file_is_not_taken_for_what_was_read(
    root: Path, imported: Imported, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor saves between the reading and the compiling: what runs is what was read."""
    helpers, other = root / "src/parts/helpers.py", "ONE = 100\n"
    note = imported.note

    def saved_meanwhile(path: str, content: bytes) -> None:
        note(path, content)
        if path == str(helpers):
            helpers.write_text(other)

    monkeypatch.setattr(imported, "note", saved_meanwhile)
    with imported.held_to(TOLD):
        assert steps(root)["value"]() == 3
    assert helpers.read_text() == other


def test_bytecode_is_still_written_and_used(
    root: Path, imported: Imported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for place in FILES:
        os.utime(root / place, (1e9, 1e9))  # old enough for its bytecode to be left
    assert steps(root)["value"]() == 3
    (kept,) = (root / "src/parts/__pycache__").glob("helpers.*.pyc")
    kept.write_bytes(kept.read_bytes().replace(b"ONE", b"ODD"))  # so that it shows who is used
    forget(root)
    sys.path[:0] = [str(root), str(root / "src")]
    importlib.invalidate_caches()
    assert hasattr(importlib.import_module("parts.helpers"), "ODD")
    with imported.held_to(TOLD):
        pass


def test_a_module_that_came_by_another_way_counts_as_it_is_when_it_is_first_seen(
    root: Path, imported: Imported
) -> None:
    file = root / "src/parts/lazy.py"
    file.write_text("TWO = 4\n")
    spec = spec_from_file_location("parts.lazy", file)
    assert spec and spec.loader
    module = module_from_spec(spec)
    sys.modules["parts.lazy"] = module
    spec.loader.exec_module(module)
    with pytest.raises(SourceChanged, match=r"lazy\.py"), imported.held_to(TOLD):
        pytest.fail("nothing is performed")


def test_an_environment_inside_of_the_project_is_none_of_it(root: Path, imported: Imported) -> None:
    place = ".venv/lib/site-packages/installed.py"
    (root / place).parent.mkdir(parents=True)
    (root / place).write_text("X = 1\n")
    sys.path.insert(0, str((root / place).parent))
    importlib.import_module("installed")
    with imported.held_to({place: digest_bytes(b"other")}):
        assert sys.modules["installed"].X == 1

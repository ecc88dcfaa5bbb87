"""Outlines that earlier processes kept: never another answer than reading anew gives."""

from __future__ import annotations

import ast
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noria.declare import Resolved, resolve
from noria.graph.load import forget, load_pipeline
from noria.pipeline import outlines as kept
from noria.pipeline.code import Code, Coded
from noria.pipeline.outlines import FOLDER, Outlines
from noria.records.base import digest_bytes

FILES = {
    "parts.py": "import noria\nq = noria.Part()\n",
    "helpers.py": """
import os
RATE = 0.5
NAMES = []
HOME = os.environ.get("NOWHERE", "a")

class Base:
    limit = 3

    def apply(self, x):
        global RATE
        return RATE * x if HOME else len(NAMES)

def clean(x, *, by=2):
    '''Docstring.'''
    from parts import q as meant
    return Base().apply(x) / by if meant else [y for y in NAMES]

def outer(value):
    def inner(numbers, *, shift: float = 0.5):
        return clean(sum(numbers)) + value + shift
    return inner
""",
    "pipeline.py": """
import noria, helpers
from parts import q
p = noria.Pipeline('p')

@p.step
def numbers():
    return [1, 2]

@p.step
@q.step
def mean(numbers, *, shift: float = 0.5):
    return helpers.clean(sum(numbers)) + shift

made = p.step(helpers.outer(3))
""",
}


class Project:
    """A project that is imported and read anew each time, with a place for outlines."""

    def __init__(self, root: Path, state: Path) -> None:
        self.root, self.state = root, state
        for name, text in FILES.items():
            (root / name).write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text
        (self.root / name).write_text(text.replace(old, new))

    def load(self) -> Resolved:
        forget(self.root)
        for cache in self.root.rglob("__pycache__"):
            shutil.rmtree(cache)
        return resolve(load_pipeline(self.root, "pipeline:p"))

    def read(self, *, outlined: bool = True) -> dict[str, Coded]:
        resolved = self.load()
        code = Code(self.root, Outlines(self.state) if outlined else None)
        code.read(resolved)
        return {step.name: code.of(step) for step in resolved.order}

    @property
    def files(self) -> list[Path]:
        return sorted((self.state / FOLDER).iterdir())


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    root, state = tmp_path / "project", tmp_path / "state"
    root.mkdir()
    yield Project(root, state)
    forget(root)


def unparsed(*_: Any, **__: Any) -> None:
    raise AssertionError("a file was parsed")


def test_who_reads_the_same_bytes_again_parses_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    anew = project.read(outlined=False)
    assert project.read() == anew
    assert len(project.files) == len(FILES)
    before = {path: path.read_bytes() for path in project.files}
    with monkeypatch.context() as patch:
        resolved = project.load()
        patch.setattr(ast, "parse", unparsed)
        code = Code(project.root, Outlines(project.state))
        code.read(resolved)
        assert {step.name: code.of(step) for step in resolved.order} == anew
        assert set(code.files) == set(FILES)  # what they were read from is told all the same
        with pytest.raises(AssertionError, match="was parsed"):
            Code(project.root).read(resolved)
    assert {path: path.read_bytes() for path in project.files} == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("helpers.py", "RATE * x", "RATE - x"),
        ("helpers.py", "NAMES = []", "NAMES = ['a']"),
        ("helpers.py", '"NOWHERE", "a"', '"NOWHERE", "b"'),
        ("helpers.py", "+ value + shift", "- value + shift"),
        ("helpers.py", "'''Docstring.'''", "'''Another.'''"),
        ("pipeline.py", "helpers.outer(3)", "helpers.outer(4)"),
        ("pipeline.py", "@p.step\n@q.step", "@q.step\n@p.step"),
        ("parts.py", "q = noria.Part()", "q = noria.Pipeline('q')"),
        # what a decorator in an unchanged file means is for another file to say
        ("parts.py", "q = noria.Part()", "class q:\n    step = staticmethod(lambda f: f)"),
    ],
)
def test_after_an_edit_the_answer_is_that_of_reading_anew(
    project: Project, file: str, old: str, new: str
) -> None:
    before = project.read()
    project.edit(file, old, new)
    assert project.read() == project.read(outlined=False)
    project.edit(file, new, old)
    assert project.read() == before


def test_a_value_that_a_kept_outline_names_is_asked_for_each_time(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = project.read()
    monkeypatch.setenv("NOWHERE", "b")
    after = project.read()
    assert after["mean"] != before["mean"]
    assert after == project.read(outlined=False)


def test_more_that_is_reached_in_the_same_file_is_added_to_its_outline(project: Project) -> None:
    project.edit("pipeline.py", "helpers.clean(sum(numbers))", "helpers.Base().limit")
    project.edit("pipeline.py", "made = p.step(helpers.outer(3))", "")
    project.read()
    sizes = sum(path.stat().st_size for path in project.files)
    project.edit("pipeline.py", "helpers.Base().limit", "helpers.clean(1)")
    assert project.read() == project.read(outlined=False)
    assert sum(path.stat().st_size for path in project.files) > sizes


@pytest.mark.parametrize("damage", ["torn", "empty", "a bit", "the seal", "another's", "longer"])
def test_what_is_damaged_is_thrown_away_and_never_believed(project: Project, damage: str) -> None:
    anew = project.read()
    whole = {path: path.read_bytes() for path in project.files}
    first = project.files[0]
    for path, content in whole.items():
        at = len(content) * 2 // 3
        path.write_bytes(
            {
                "torn": content[:at],
                "empty": b"",
                "a bit": content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :],
                "the seal": bytes([content[0] ^ 1]) + content[1:],
                "another's": whole[first],
                "longer": content + b"\0",
            }[damage]
        )
    found = [Outlines(project.state).get(digest_bytes(text.encode())) for text in FILES.values()]
    believed = [one for one in found if one is not None]
    assert len(believed) == (damage == "another's")  # the one whose own it is
    assert len(project.files) == len(believed)
    assert project.read() == anew
    assert {path: path.read_bytes() for path in project.files} == whole


def test_another_python_and_another_noria_read_anew(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.read()
    content = digest_bytes(FILES["parts.py"].encode())
    assert Outlines(project.state).get(content) is not None
    for owner, name, value in (
        (sys, "version", f"{sys.version} or so"),
        (kept, "_code_of", lambda module: f"another {module}".encode()),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, value)
            kept._making.cache_clear()
            assert Outlines(project.state).get(content) is None
    kept._making.cache_clear()
    assert Outlines(project.state).get(content) is not None


def test_of_too_many_those_go_that_were_unused_the_longest(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.read()
    old = project.files
    for age, path in enumerate(old):
        os.utime(path, (1e9 - age, 1e9 - age))
    monkeypatch.setattr(kept, "LARGEST", sum(path.stat().st_size for path in old))
    project.edit("parts.py", "q = noria.Part()", "q = noria.Part()\nr = 1\n")
    project.read()
    assert sum(path.stat().st_size for path in project.files) <= kept.LARGEST
    assert old[-1] not in project.files
    assert Outlines(project.state).get(digest_bytes((project.root / "parts.py").read_bytes())) is not None


def test_that_one_is_in_use_is_noted_by_the_day(project: Project) -> None:
    project.read()
    path = project.files[0]
    for age, moved in ((kept.DAY * 2, True), (kept.DAY / 2, False)):
        then = path.stat().st_mtime - age
        os.utime(path, (then, then))
        project.read()
        assert (path.stat().st_mtime > then + 1) == moved


def test_a_state_that_cannot_be_written_costs_time_alone(project: Project) -> None:
    project.state.write_text("no folder")
    assert project.read() == project.read(outlined=False)

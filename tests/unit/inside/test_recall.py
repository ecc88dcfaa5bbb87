"""What a past run read outside, read once more by a data step."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import noria
from noria.inside.context import Inside, performing
from noria.inside.recall import Recall, SourceGone, SourceMoved
from noria.records.base import parse
from noria.records.profiles import Manifest
from steps import step_in


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def past(tmp_path: Path) -> Inside:
    """A step that has read two files."""
    write(tmp_path / "data/a.csv", "first")
    write(tmp_path / "data/deep/b.csv", "second")
    inside = step_in(tmp_path)
    with performing(inside):
        noria.files("data/**/*.csv")
    return inside


def on(past: Inside, project: Path) -> tuple[Inside, list[str]]:
    """A step on what that one read, and what it is told."""
    told: list[str] = []
    return replace(step_in(project), recall=Recall("m/1", past.sources, told.append)), told


def test_the_recorded_bytes_whatever_lies_there_now(past: Inside, tmp_path: Path) -> None:
    write(tmp_path / "data/a.csv", "changed")
    write(tmp_path / "data/c.csv", "new")
    shutil.rmtree(tmp_path / "data/deep")
    again, told = on(past, tmp_path)
    with performing(again):
        for keep in (True, False):  # the code may ask for less than is kept
            files = noria.files("data/**/*.csv", keep=keep)
            assert files.names == ["a.csv", "deep/b.csv"]
            assert [path.read_text() for path in files] == ["first", "second"]
    assert (again.sources, told) == ([*past.sources, *past.sources], [])


def test_a_name_that_was_read_twice_is_given_in_that_order(past: Inside, tmp_path: Path) -> None:
    write(tmp_path / "data/a.csv", "changed")
    with performing(past):
        noria.files("data/**/*.csv")
    with performing(on(past, tmp_path)[0]):
        seen = [noria.files("data/**/*.csv")[0].read_text() for _ in range(3)]
    assert seen == ["first", "changed", "changed"]


def test_what_was_not_read_then_is_read_now_and_told(past: Inside, tmp_path: Path) -> None:
    write(tmp_path / "other.csv", "other")
    again, told = on(past, tmp_path)
    with performing(again):
        assert noria.files("other.csv")[0].read_text() == "other"
    assert told == ["files other.csv"]


def test_bytes_that_are_gone_are_named(past: Inside, tmp_path: Path) -> None:
    store, source = past.artifacts.store, past.sources[0]
    assert source.manifest is not None
    manifest = parse(store.get(source.manifest), Manifest)
    store.path(manifest.files[1].digest).unlink()
    with performing(on(past, tmp_path)[0]), pytest.raises(SourceGone, match=r"kept no more: deep/b\.csv"):
        noria.files("data/**/*.csv")
    store.path(source.manifest).unlink()
    with performing(on(past, tmp_path)[0]), pytest.raises(SourceGone, match="the list of its files"):
        noria.files("data/**/*.csv")


def test_of_files_that_are_not_kept_the_digests_must_be_the_same(past: Inside, tmp_path: Path) -> None:
    write(tmp_path / "big/a.bin", "a")
    write(tmp_path / "big/b.bin", "b")
    with performing(past):
        noria.files("big", keep=False)
    with performing(on(past, tmp_path)[0]):
        assert [path.parent.name for path in noria.files("big")] == ["big", "big"], "where they lie"
    write(tmp_path / "big/a.bin", "A")
    write(tmp_path / "big/c.bin", "c")
    with (
        performing(on(past, tmp_path)[0]),
        pytest.raises(SourceMoved, match=r"others by now: a\.bin, c\.bin"),
    ):
        noria.files("big")

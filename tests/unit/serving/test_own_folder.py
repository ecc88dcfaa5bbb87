"""Of the folders that services left, those are removed whose owner is gone, and no others."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from noria.serving.own_folder import MARK, PREFIX, own_folder


@pytest.fixture(autouse=True)
def around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def left(around: Path, *files: str) -> Path:
    folder = around / f"{PREFIX}left"
    folder.mkdir()
    for name in files:
        (folder / name).touch()
    return folder


def test_what_a_service_of_ours_left_is_removed(around: Path) -> None:
    folder = left(around, MARK, "worker-1")
    with own_folder():
        assert not folder.exists()


def test_what_a_worker_puts_there_as_it_ends_is_removed_the_next_time(
    around: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, remove = left(around, MARK), shutil.rmtree

    def as_it_ends(path: object, **how: Any) -> None:
        remove(str(path), **how)
        if path == folder:
            left(around, "worker-2.counts")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", as_it_ends)
        with own_folder():
            assert folder.exists()
    with own_folder():
        assert not folder.exists()


def test_one_that_lives_is_left_alone_and_goes_with_its_owner(around: Path) -> None:
    with own_folder() as living:
        (living / "hub").touch()
        with own_folder() as other:
            assert (living / "hub").exists()
        assert not other.exists()
    assert not living.exists()
    assert list(around.iterdir()) == []


def test_one_that_nobody_has_locked_yet_is_left_alone(around: Path) -> None:
    """It has just been made, or its owner is of a Noria that locks none."""
    folder = left(around, "hub")
    with own_folder():
        assert (folder / "hub").exists()


def test_that_of_another_user_is_left_alone(around: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = left(around, MARK)
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with own_folder():
        assert folder.exists()


def test_what_a_link_leads_to_is_left_alone(around: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / MARK).touch()
    (around / f"{PREFIX}link").symlink_to(elsewhere)
    with own_folder():
        assert (elsewhere / MARK).exists()

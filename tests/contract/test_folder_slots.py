"""Slots in a folder keep the port's promises, and those of a disk."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from noria.adapters.slots import FolderSlots, SlotFailed
from noria.errors import render
from noria.testing.slots import Opener, SlotsContract


class TestFolderSlots(SlotsContract):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> Opener:
        return partial(FolderSlots, tmp_path)


@pytest.fixture
def slots(tmp_path: Path) -> FolderSlots:
    return FolderSlots(tmp_path)


def test_what_a_killed_writer_left_is_no_value(slots: FolderSlots, tmp_path: Path) -> None:
    slots.put("a/b", b"1")
    (tmp_path / "slots" / "a" / ".c.0123").write_bytes(b"half")
    assert slots.names("a") == ["a/b"]


def test_asking_touches_no_disk(tmp_path: Path) -> None:
    slots = FolderSlots(tmp_path / "state")
    assert slots.get("a") is None
    assert slots.names("a") == []
    slots.drop("a")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("given", ["a", "a/b/c"])
def test_a_name_that_is_a_folder_s_or_below_a_value_is_told(
    slots: FolderSlots, tmp_path: Path, given: str
) -> None:
    slots.put("a/b", b"1")
    with pytest.raises(SlotFailed) as caught:
        slots.put(given, b"2")
    assert str(tmp_path) in render(caught.value)
    assert slots.get("a/b") == b"1"
    assert slots.names("a") == ["a/b"]


def test_a_value_that_cannot_be_written_leaves_the_old_one(slots: FolderSlots, tmp_path: Path) -> None:
    (tmp_path / "slots").write_text("a file in the way")
    with pytest.raises(SlotFailed):
        slots.put("a/b", b"1")
    assert slots.get("a/b") is None

"""Users of one group who share a project's folder: what one makes, the others may write, as far as the umask says."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from noria.adapters.lock import FolderLeases, LockFailed
from noria.adapters.sql import open_records


@pytest.fixture
def of_a_group() -> Iterator[None]:
    before = os.umask(0o002)
    yield
    os.umask(before)


@pytest.mark.usefixtures("of_a_group")
def test_records_and_leases_may_be_written_by_the_group(tmp_path: Path) -> None:
    with FolderLeases(tmp_path / "locks").hold("delay", "process 1"):
        open_records(tmp_path / "noria.db").close()
    for made in (tmp_path / "locks" / "delay.lock", tmp_path / "noria.db"):
        assert made.stat().st_mode & stat.S_IWGRP, made


def test_a_lease_that_cannot_be_taken_for_its_file_names_it(tmp_path: Path) -> None:
    (tmp_path / "delay.lock").mkdir()
    with (
        pytest.raises(LockFailed, match=r"delay\.lock cannot be used"),
        FolderLeases(tmp_path).hold("delay", "me"),
    ):
        pass

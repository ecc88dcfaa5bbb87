"""Folders and buckets as places for a batch's files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from noria.adapters.outside_errors import FileChanged
from noria.adapters.place_folder import FolderPlace, PlaceUnwritable
from noria.adapters.places import open_place
from noria.ports.places import Place
from noria.testing.places import PlaceContract, put
from servers_s3 import S3Server, environment


class TestFolder(PlaceContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return open_place(os.fspath(tmp_path / "not" / "yet"))

    def test_a_writer_that_was_killed_leaves_nothing_that_a_reader_takes(self, tmp_path: Path) -> None:
        place = FolderPlace(tmp_path)
        writing = place.writing("part-00000.parquet")
        writing.__enter__().write_bytes(b"half")  # and never leaves
        assert list(place.names()) == []
        assert list(place.files("**/*")) == []
        assert list(tmp_path.glob("**/*.parquet")) == [], "some readers go by the ending alone"
        put(place, "part-00000.parquet", b"whole")
        assert [path.name for path in tmp_path.iterdir()] == ["part-00000.parquet"]

    def test_a_file_that_changes_while_it_is_read_is_found_out(self, tmp_path: Path) -> None:
        place = FolderPlace(tmp_path)
        put(place, "x", b"same size")
        (listed,) = place.files("x")
        with pytest.raises(FileChanged), place.open("x", listed.size, listed.tag) as file:
            put(place, "x", b"size same")
            file.read()

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(PlaceUnwritable, match="file"):
            put(FolderPlace(tmp_path / "file"), "x", b"")


class TestBucket(PlaceContract):
    @pytest.fixture
    def place(self, s3: S3Server) -> Iterator[Place]:
        with environment(s3.variables()):
            yield open_place(s3.url())

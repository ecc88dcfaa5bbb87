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

    def test_who_is_alone_there_sweeps_what_killed_writers_left(self, tmp_path: Path) -> None:
        place = FolderPlace(tmp_path)
        for name in ("part-00007.parquet", "_noria/note.json"):
            place.writing(name).__enter__().write_bytes(b"half")
        put(place, "part-00000.parquet", b"whole")
        place.sweep()
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["part-00000.parquet"]

    @pytest.mark.parametrize(("one", "other"), [("a", "b-a"), ("a[1]", "a1"), ("a", "0123-a")])
    def test_nobody_takes_the_half_of_another_file_for_his_own(
        self, tmp_path: Path, one: str, other: str
    ) -> None:
        place = FolderPlace(tmp_path)
        with place.writing(other) as path:
            path.write_bytes(b"still being written")
            put(place, one, b"whole")
        assert sorted(place.names()) == sorted([one, other])

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

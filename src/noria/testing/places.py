"""What all places promise, as tests: `class TestMine(PlaceContract)` with a fixture `place`."""

from __future__ import annotations

from pathlib import Path

import pytest

from noria.errors import Conflict, NotFound
from noria.ports.places import Place

LARGE = bytes(range(256)) * (20 << 12)  # 20 MiB: more than a bucket takes in one piece


def put(place: Place, name: str, body: bytes) -> None:
    with place.writing(name) as path:
        path.write_bytes(body)


class PlaceContract:
    """Subclass it and give the fixture `place`, an empty one for each test."""

    @pytest.fixture
    def place(self) -> Place:
        raise NotImplementedError("the subclass gives a fixture `place`")

    def test_a_place_that_nobody_made_is_empty(self, place: Place) -> None:
        assert list(place.names()) == []
        assert list(place.files("**/*")) == []
        assert place.read("x.parquet") is None

    @pytest.mark.parametrize("body", [b"", b"x", LARGE], ids=["nothing", "short", "large"])
    def test_gives_back_what_was_written(self, place: Place, body: bytes) -> None:
        put(place, "a/part.parquet", body)
        assert place.read("a/part.parquet") == body
        assert list(place.names()) == ["a/part.parquet"]

    def test_lists_by_name_and_pattern_but_nothing_hidden(self, place: Place) -> None:
        for name in ("b.parquet", "a.parquet", "year=1/c.parquet", "year=1/.d.parquet", "e.csv"):
            put(place, name, b"x")
        assert [one.name for one in place.files("*.parquet")] == ["a.parquet", "b.parquet"]
        assert [one.name for one in place.files("**/*.parquet")] == [
            "a.parquet",
            "b.parquet",
            "year=1/c.parquet",
        ]
        assert [one.name for one in place.files("year=1/c.parquet")] == ["year=1/c.parquet"]
        assert list(place.files("year=1")) == []

    def test_reads_at_random(self, place: Place) -> None:
        put(place, "x", LARGE)
        (found,) = place.files("x")
        with place.open("x", found.size, found.tag) as file:
            file.seek(-300, 2)
            assert file.read(10) == LARGE[-300:-290]
            file.seek(5 << 20)
            assert file.read(3) == LARGE[5 << 20 :][:3]
            assert file.tell() == (5 << 20) + 3
            file.seek(0, 2)
            assert file.read(1) == b""

    def test_the_tag_is_that_of_the_content(self, place: Place) -> None:
        put(place, "x", b"one")
        (before,) = place.files("x")
        put(place, "x", b"two")
        (after,) = place.files("x")
        assert before.tag != after.tag

    def test_a_file_of_another_content_is_not_read_as_the_listed_one(self, place: Place) -> None:
        put(place, "x", b"one" * 1000)
        (listed,) = place.files("x")
        put(place, "x", b"other" * 1000)
        with pytest.raises(Conflict), place.open("x", listed.size, listed.tag) as file:
            file.read()

    def test_a_file_that_is_gone_is_named(self, place: Place) -> None:
        put(place, "x", b"one")
        (listed,) = place.files("x")
        place.drop(["x", "never-there"])
        with pytest.raises(NotFound, match="x"), place.open("x", listed.size, listed.tag) as file:
            file.read()

    def test_what_raises_while_it_is_written_leaves_what_was(self, place: Place) -> None:
        put(place, "x", b"before")

        def broken(path: Path) -> None:
            path.write_bytes(b"half")
            raise KeyError("while writing")

        for name in ("x", "y"):
            with pytest.raises(KeyError), place.writing(name) as path:
                broken(path)
        assert place.read("x") == b"before"
        assert list(place.names()) == ["x"]

    def test_a_later_writing_replaces(self, place: Place) -> None:
        put(place, "x", b"before")
        put(place, "x", b"after")
        assert place.read("x") == b"after"

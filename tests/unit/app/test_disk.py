"""Disk use: each object once, by model, and what a collection would free."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from noria.app.disk import disk
from noria.app.gc import collect
from noria.cli.status import disk_lines
from unit.app.past_world import World, world


@pytest.fixture
def past(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def test_every_object_is_counted_once_and_what_gc_frees_is_foretold(past: World) -> None:
    for days in (50, 40, 9, 3, 2, 1):
        past.run(days)
    past.age()
    told = disk(past.app)
    (one,) = told.models
    assert told.size == one.size + told.nobodys
    assert (one.model, one.shared) == ("delay", 0)
    assert 0 < told.freeable == one.given_up + told.nobodys
    freed = collect(past.app, None).size
    assert freed == told.freeable
    again = disk(past.app)
    assert (again.size, again.freeable) == (told.size - freed, 0)


def test_what_lies_beside_the_objects_is_named(past: World) -> None:
    past.run(1)
    spool = past.app.state / "spool" / "delay" / "1"
    spool.mkdir(parents=True)
    (spool / "points").write_bytes(b"x" * 1000)
    assert [(one.what, one.size) for one in disk(past.app).beside if one.what.startswith("figures")] == [
        ("figures under way", 1000)
    ]


def test_the_table_says_all_of_it(past: World) -> None:
    past.run(50)
    past.run(1)
    lines = disk_lines(disk(past.app))
    assert lines[0].split() == ["model", "objects", "size", "shared", "given", "up"]
    assert any(line.startswith("noria gc would free") for line in lines)

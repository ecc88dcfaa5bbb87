"""What a name of files stands for."""

from __future__ import annotations

import pytest

from noria.records.patterns import EVERYTHING, matcher, pattern_of


@pytest.mark.parametrize(
    ("text", "root", "below"),
    [
        ("data/*.csv", "data", "*.csv"),
        ("/lake/2024/**/*.parquet", "/lake/2024", "**/*.parquet"),
        ("data", "", "data"),
        ("/a.csv", "/", "a.csv"),
        ("s3://bucket/2024/part-?.csv", "s3://bucket/2024", "part-?.csv"),
        ("s3://bucket/*.csv", "s3://bucket", "*.csv"),
        ("s3://bucket", "s3://bucket", ""),
        ("s3://bucket/", "s3://bucket", ""),
        ("gs://bucket/folder/", "gs://bucket/folder", ""),
        ("az://box/a@b/x.csv", "az://box/a@b", "x.csv"),
    ],
)
def test_a_name_is_cut_where_its_wildcards_begin(text: str, root: str, below: str) -> None:
    found = pattern_of(text)
    assert (found.root, found.below) == (root, below)


def test_credentials_are_in_no_part_of_it() -> None:
    assert "secret" not in repr(pattern_of("s3://key:secret@bucket/a/*.csv"))


def test_a_name_that_is_there_may_hold_brackets() -> None:
    found = pattern_of("/data/[old]/a[1].csv", literal=True)
    assert (found.root, found.below, found.wild) == ("/data/[old]", "a[1].csv", False)


@pytest.mark.parametrize(
    ("below", "fits", "others"),
    [
        ("*.csv", ["a.csv", "[a].csv"], ["b/a.csv", ".a.csv", "a.csv2", "a-csv"]),
        ("**/*.csv", ["a.csv", "x/y/a.csv"], [".x/a.csv", "x/.a.csv"]),
        ("x/**/a?.csv", ["x/a1.csv", "x/y/z/a2.csv"], ["x/a.csv", "a1.csv", "xx/a1.csv"]),
        ("[!ab]*.csv", ["c.csv"], ["a1.csv", "b.csv", ".c.csv"]),
        ("2024-0[1-3].csv", ["2024-02.csv"], ["2024-04.csv"]),
        (".hidden/*.csv", [".hidden/a.csv"], ["hidden/a.csv"]),
        ("a+(1).csv", ["a+(1).csv"], ["aa1.csv"]),
        (EVERYTHING, ["a", "a/b.c/d"], [".a", "a/.b", "a/.git/b"]),
        ("x/**", ["x/a", "x/a/b"], ["x/.a", "y/a"]),
    ],
)
def test_what_fits(below: str, fits: list[str], others: list[str]) -> None:
    match = matcher(below).fullmatch
    assert [name for name in (*fits, *others) if match(name)] == fits

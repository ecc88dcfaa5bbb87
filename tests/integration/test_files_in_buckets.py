"""Files in a bucket of a real S3 server, as a data step reads them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import noria
from noria.adapters.bucket import Bucket, Held
from noria.adapters.bucket_errors import AccessRefused, BucketMissing, CredentialsRefused
from noria.adapters.outside_errors import FileChanged, FileGone
from noria.inside.context import performing
from noria.inside.files import NoFiles
from noria.records.base import parse
from noria.records.profiles import Manifest
from servers_s3 import S3Server, environment
from steps import step_in


@pytest.fixture
def url(s3: S3Server) -> Iterator[str]:
    with environment(s3.variables()):
        yield s3.url()


@pytest.fixture
def lake(url: str) -> Any:
    """The place of this test, as its owner writes there."""
    from obstore.store import from_url

    store = from_url(url, client_options={"allow_http": True})
    for name in ("2024/a.csv", "2024/deep/b.csv", "2023/a.csv", "2024/.part", "read me.txt"):
        store.put(name, f"{name}\n".encode())
    return store


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("/2024/**/*.csv", ["a.csv", "deep/b.csv"]),
        ("/2024/*.csv", ["a.csv"]),
        ("/2024", ["a.csv", "deep/b.csv"]),
        ("/202?/a.csv", ["2023/a.csv", "2024/a.csv"]),
        ("/2024/a.csv", ["a.csv"]),
        ("/read me.txt", ["read me.txt"]),
    ],
)
def test_names_stand_for_objects_as_for_files(
    tmp_path: Path, url: str, lake: Any, name: str, found: Sequence[str]
) -> None:
    with performing(step_in(tmp_path)) as inside:
        files = noria.files(url + name)
    assert files.names == found
    assert all(path.read_text().strip().endswith(path.name) for path in files)
    source = inside.sources[0]
    assert source.manifest is not None and source.name == url + name
    manifest = parse(inside.artifacts.store.get(source.manifest), Manifest)
    assert manifest.root.startswith(url) and all(file.tag for file in manifest.files)


@pytest.mark.parametrize("keep", [True, False])
def test_each_content_is_fetched_once(
    tmp_path: Path, url: str, lake: Any, keep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    fetch = Bucket.read_listed
    monkeypatch.setattr(Bucket, "read_listed", lambda *call: fetched.append(call[1].key) or fetch(*call))
    both = step_in(tmp_path), step_in(tmp_path)
    for inside in both:
        with performing(inside):
            files = noria.files(f"{url}/2024", keep=keep)
    assert sorted(fetched) == ["a.csv", "deep/b.csv"]
    lake.put("2024/a.csv", b"2024/a.CSV\n")  # as long as before
    with performing(step_in(tmp_path)):
        assert noria.files(f"{url}/2024", keep=keep)[0].read_bytes() == b"2024/a.CSV\n"
    assert sorted(fetched) == ["a.csv", "a.csv", "deep/b.csv"]
    assert files[0].read_bytes() == b"2024/a.csv\n"
    if not keep:  # a cache may forget
        shutil.rmtree(tmp_path / ".noria" / "cache")
        with performing(step_in(tmp_path)):
            assert noria.files(f"{url}/2024", keep=False)[1].read_bytes() == b"2024/deep/b.csv\n"


def test_what_is_deleted_or_written_during_the_reading_is_found_out(
    tmp_path: Path, url: str, lake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = Bucket.list

    def then(change: Any) -> None:
        def meddled(self: Bucket, prefix: str) -> Iterator[Held]:
            found = list(listed(self, prefix))
            change()
            yield from found

        monkeypatch.setattr(Bucket, "list", meddled)

    then(lambda: lake.put("2024/a.csv", b"another\n"))
    with performing(step_in(tmp_path)), pytest.raises(FileChanged, match=r"a\.csv changed while it was read"):
        noria.files(f"{url}/2024/*.csv")
    then(lambda: lake.delete("2024/a.csv"))
    with performing(step_in(tmp_path)), pytest.raises(FileGone, match=r"a\.csv was deleted"):
        noria.files(f"{url}/2024/*.csv")


def test_what_was_deleted_since_is_gone_from_the_next_run_and_stays_in_the_last(
    tmp_path: Path, url: str, lake: Any
) -> None:
    with performing(step_in(tmp_path)) as first:
        noria.files(f"{url}/2024/**/*.csv")
        artifact = first.artifacts.save(noria.files(f"{url}/2024"))
    lake.delete("2024/a.csv")
    with performing(step_in(tmp_path)):
        assert noria.files(f"{url}/2024/**/*.csv").names == ["deep/b.csv"]
    assert first.artifacts.load(artifact)[0].read_bytes() == b"2024/a.csv\n"


@pytest.mark.parametrize(
    ("name", "variables", "error"),
    [
        ("/2025/*.csv", {}, NoFiles),
        ("/2025", {}, NoFiles),
        ("/*/*.csv", {"AWS_SECRET_ACCESS_KEY": "wrong"}, CredentialsRefused),
        (
            "/2024/a.csv",
            {"AWS_ACCESS_KEY_ID": "nobody"},
            AccessRefused,
        ),  # a look at one is answered without a word
        ("s3://no-such-bucket/a/*.csv", {}, BucketMissing),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, url: str, lake: Any, name: str, variables: dict[str, str], error: type[Exception]
) -> None:
    place = name if "://" in name else url + name
    with environment(variables), performing(step_in(tmp_path)), pytest.raises(error) as raised:
        noria.files(place)
    assert "secret" not in str(raised.value)

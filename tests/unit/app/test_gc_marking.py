"""Every object that a record needs is found, through whatever names it."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest

import noria.records
from noria.adapters.folder import FolderStore
from noria.app.marking import Marks
from noria.artifacts import Artifacts
from noria.artifacts.lists import save_list
from noria.records.artifacts import Artifact
from noria.records.base import Digest, Record, canonical, digest_bytes
from noria.records.profiles import Manifest, ManifestFile
from noria.records.runs import DataSource, DataVersion
from noria.records.sources import Source, Tree, TreeFile

NAMES_OTHERS = {"Source.tree", "DataSource.manifest", "Artifact.digest"}
"""Fields whose object names further objects: `Marks` opens each of these."""
NAMES_NONE = {
    "Answer",
    "Batch.manifest",
    "Collected",
    "Compared",
    "DataRefused",
    "DataVersion.digest",
    "DataVersion.profile",
    "Environment.packages",
    "Event",
    "Failed.log",
    "Fingerprint",
    "Frame.files",
    "Installed.files",
    "Judgement.asked",
    "Judgement.data",
    "ManifestFile.digest",
    "PartDone.digest",
    "Raised.log",
    "RunStep.fingerprint",
    "ServingGraph.code",
    "Sight.baseline",
    "Sight.memory",
    "Source.diff",
    "StepDone.log",
    "StepResult.log",
    "StepResult.tried",
    "TreeFile.digest",
    "Work.code",
    "_Link",
}
"""Fields, or whole records, whose digests name plain bytes, or no object at all."""


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(FolderStore(tmp_path / "store", durable=False), scratch=tmp_path / "scratch")


def needed(artifacts: Artifacts, record: object, **more: bool) -> set[Digest]:
    return Marks(artifacts).of(msgspec.json.encode(record), **more)


def test_every_field_that_holds_a_digest_is_known() -> None:
    """A new one must be looked at: does its object name others, which a collection would take away?"""
    found = {
        f"{kind.__name__}.{name}"
        for kind in _records()
        for name, hint in get_type_hints(kind).items()
        if "Digest" in repr(hint)
    }
    unknown = {
        field
        for field in found
        if field not in NAMES_OTHERS | NAMES_NONE and field.split(".")[0] not in NAMES_NONE
    }
    assert not unknown, "say in this test what their objects name, and teach `Marks` if they name others"
    assert found >= NAMES_OTHERS


def _records() -> set[type]:
    for module in pkgutil.iter_modules(noria.records.__path__, "noria.records."):
        importlib.import_module(module.name)
    found: set[type] = set()
    waiting: list[type] = [Record]
    while waiting:
        kind = waiting.pop()
        below = [one for one in kind.__subclasses__() if one.__module__.startswith("noria.records")]
        found.update(below)
        waiting += below
    return found


def test_a_tree_and_its_files(artifacts: Artifacts) -> None:
    files = [artifacts.store.put(content) for content in (b"a", b"b")]
    tree = artifacts.store.put(
        canonical(Tree(files=tuple(TreeFile(path=f"{n}", digest=d) for n, d in enumerate(files))))
    )
    diff = artifacts.store.put(b"diff")
    assert needed(artifacts, Source(commit="c" * 40, tree=tree, diff=diff)) == {tree, diff, *files}


def test_a_manifest_and_its_files(artifacts: Artifacts) -> None:
    file = artifacts.store.put(b"1,2")
    manifest = Manifest(
        root="/data", pattern="*.csv", files=(ManifestFile(path="a.csv", digest=file, size=3),)
    )
    stored = artifacts.store.put(canonical(manifest))
    source = DataSource(kind="files", name="*.csv", version=stored, manifest=stored)
    rows = artifacts.store.put(b"rows")
    version = DataVersion(digest=rows, rows=1, columns=(), sources=(source,))
    assert needed(artifacts, version) == {rows, stored, file}


@pytest.mark.parametrize("deep", [False, True])
def test_artifacts_of_every_codec_that_holds_others(artifacts: Artifacts, tmp_path: Path, deep: bool) -> None:
    """A folder's files, a bundle's large leaves, a list's items, and all of it in one another."""
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "a.txt").write_text("text")
    parts: list[Any] = [folder, {"large": b"x" * 100_000, "small": 1}]
    saved = [artifacts.save(part) for part in parts]
    if deep:
        saved = [
            save_list([save_list(saved, artifacts.store)], artifacts.store),
            artifacts.save(("again", parts[1])),
        ]
    everything = set(artifacts.store.digests())  # type: ignore[attr-defined]
    found = needed(artifacts, {"outputs": saved})
    assert found <= everything
    assert digest_bytes(b"text") in found and digest_bytes(b"x" * 100_000) in found


def test_a_hyperparameter_with_a_telling_name_is_no_object(artifacts: Artifacts) -> None:
    plain = {"tree": "gini", "manifest": "s3://b", "codec": "h264", "digest": "sha256:1"}
    assert needed(artifacts, {"parameters": plain}) == set()


def test_what_is_gone_names_nothing_and_stops_nobody(artifacts: Artifacts) -> None:
    gone = digest_bytes(b"gone")
    records = [Source(commit="c" * 40, tree=gone), Artifact(digest=gone, codec="list/1", size=1)]
    assert needed(artifacts, records) == {gone}


def test_each_object_is_opened_once(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = save_list([artifacts.save(b"item")], artifacts.store)
    marks = Marks(artifacts)
    marks.add([saved])
    monkeypatch.setattr(FolderStore, "get", lambda *_: pytest.fail("it was read again"))
    marks.add([saved, {"again": saved}])
    assert marks.digests == {saved.digest, digest_bytes(b"item")}

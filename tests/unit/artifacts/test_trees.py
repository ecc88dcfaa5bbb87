"""A source tree comes back file by file, and never leads out of its folder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from noria.adapters.folder import FolderStore
from noria.artifacts.trees import TreeNotBuilt, UnsafeTree, materialise
from noria.errors import NotFound
from noria.records.base import Digest, canonical
from noria.records.sources import Tree, TreeFile

LINK = 0o120000


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store", durable=False)


def put(store: FolderStore, *files: tuple[str, str, int]) -> Digest:
    records = (TreeFile(path=path, digest=store.put(text.encode()), mode=mode) for path, text, mode in files)
    return store.put(canonical(Tree(files=tuple(records))))


@pytest.fixture
def tree(store: FolderStore) -> Digest:
    return put(
        store,
        ("a.py", "a = 1\n", 0o644),
        ("lib/run.sh", "#!/bin/sh\n", 0o755),
        ("lib/up", "../a.py", LINK),
        ("nowhere", "/does/not/exist", LINK),
    )


def left_behind(folder: Path) -> list[str]:
    return [place.name for place in folder.iterdir() if place.name.startswith(".")]


def test_files_links_and_modes_come_back(tree: Digest, store: FolderStore, tmp_path: Path) -> None:
    made = materialise(tree, store, tmp_path / "trees")
    assert made.parent == tmp_path / "trees"
    assert (made / "a.py").read_text() == "a = 1\n"
    assert [(made / path).stat().st_mode & 0o777 for path in ("a.py", "lib/run.sh")] == [0o644, 0o755]
    assert [(made / path).readlink() for path in ("lib/up", "nowhere")] == [
        Path("../a.py"),
        Path("/does/not/exist"),
    ]
    assert left_behind(tmp_path / "trees") == []


def test_a_second_time_nothing_is_written(tree: Digest, store: FolderStore, tmp_path: Path) -> None:
    made = materialise(tree, store, tmp_path / "trees")
    before = (made / "a.py").stat()
    (made / "__pycache__").mkdir()  # what Python adds is nobody's business
    assert materialise(tree, store, tmp_path / "trees") == made
    assert (made / "a.py").stat() == before
    assert (made / "__pycache__").is_dir()


@pytest.mark.parametrize("change", ["edit", "remove", "replace by a link"])
def test_a_folder_that_was_changed_is_made_anew(
    change: str, tree: Digest, store: FolderStore, tmp_path: Path
) -> None:
    file = materialise(tree, store, tmp_path / "trees") / "a.py"
    if change == "edit":
        file.write_text("a = 2\n")
    else:
        file.unlink()
    if change == "replace by a link":
        file.symlink_to("lib/run.sh")
    materialise(tree, store, tmp_path / "trees")
    assert (file.read_text(), file.is_symlink()) == ("a = 1\n", False)
    assert left_behind(tmp_path / "trees") == []


def test_many_at_once_get_the_same_whole_folder(store: FolderStore, tmp_path: Path) -> None:
    tree = put(store, *((f"lib/{number}.py", f"x = {number}\n", 0o644) for number in range(40)))

    def files(_: int) -> int:
        return len(list((materialise(tree, store, tmp_path / "trees") / "lib").iterdir()))

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(files, range(24))) == {40}
    assert left_behind(tmp_path / "trees") == []


def test_an_empty_tree_is_an_empty_folder(store: FolderStore, tmp_path: Path) -> None:
    tree = put(store)
    made = [materialise(tree, store, tmp_path / "trees") for _ in range(2)]
    assert made[0] == made[1]
    assert list(made[0].iterdir()) == []


@pytest.mark.parametrize(
    "path", ["../a", "/etc/a", "a/../../b", "..", ".", "", "a//b", "./a", "a/", "a\0b", "a/./b"]
)
def test_a_path_that_leads_out_is_refused_and_nothing_is_written(
    path: str, store: FolderStore, tmp_path: Path
) -> None:
    tree = put(store, ("fine.py", "x", 0o644), (path, "x", 0o644))
    with pytest.raises(UnsafeTree):
        materialise(tree, store, tmp_path / "trees")
    assert not (tmp_path / "trees").exists()


def test_a_path_through_a_link_of_the_same_tree_is_refused(store: FolderStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    tree = put(store, ("lib", str(outside), LINK), ("lib/a.py", "x", 0o644))
    with pytest.raises(UnsafeTree, match=r"lib/a\.py"):
        materialise(tree, store, tmp_path / "trees")
    assert list(outside.iterdir()) == []


def test_a_file_that_the_store_lost_leaves_nothing_behind(store: FolderStore, tmp_path: Path) -> None:
    lost = TreeFile(path="a.py", digest=Digest("blake3:" + "0" * 64))
    tree = store.put(canonical(Tree(files=(lost,))))
    with pytest.raises(NotFound):
        materialise(tree, store, tmp_path / "trees")
    assert list((tmp_path / "trees").iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tree: Digest, store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "trees").write_text("a file")
    with pytest.raises(TreeNotBuilt, match="trees"):
        materialise(tree, store, tmp_path / "trees")

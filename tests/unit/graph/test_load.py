"""Whose files a pipeline is imported from."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from noria.graph.load import forget, import_folders, load_pipeline

ENTRY = "parcels_in_src.pipe:p"


def tree(root: Path, name: str, folder: str = "src") -> Path:
    """A project whose package lies in a folder; what its pipeline is called comes from another file of the package."""
    package = root / folder / "parcels_in_src"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "names.py").write_text(f"NAME = {name!r}\n")
    (package / "pipe.py").write_text(
        "import noria\nfrom parcels_in_src.names import NAME\n\np = noria.Pipeline(NAME)\n"
    )
    return root


@pytest.fixture
def trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Path]]:
    monkeypatch.setattr(sys, "path", [*sys.path])
    made = tree(tmp_path / "working", "today"), tree(tmp_path / "recorded", "then")
    yield made
    for root in made:
        forget(root)


def test_a_package_in_src_is_found(trees: tuple[Path, Path]) -> None:
    assert load_pipeline(trees[0], ENTRY).name == "today"


def test_a_recorded_tree_is_meant_where_the_working_one_is_installed_in_editable_mode(
    trees: tuple[Path, Path],
) -> None:
    working, recorded = trees
    sys.path.append(str(working / "src"))  # what an editable install adds
    assert load_pipeline(recorded, ENTRY).name == "then"
    forget(recorded)
    assert load_pipeline(working, ENTRY).name == "today"


@pytest.mark.parametrize("folder", ["python", "libs/python"])
def test_so_is_it_wherever_in_the_project_the_package_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    working, recorded = tree(tmp_path / "working", "today", folder), tree(tmp_path / "tree", "then", folder)
    monkeypatch.setattr(sys, "path", [*sys.path, str(working / folder)])
    try:
        assert load_pipeline(recorded, ENTRY).name == "then"
        forget(recorded)
        assert load_pipeline(working, ENTRY).name == "today"
    finally:
        forget(working)


def test_a_folder_that_is_only_called_like_one_to_import_from_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, other = tree(tmp_path / "tree", "then"), tmp_path / "shop"
    (root / "shop").mkdir()
    (root / "shop" / "types.py").write_text("")
    for folder in (root / "shop", other):
        (folder / "__pycache__").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [*sys.path, str(other)])
    assert import_folders(root) == [str(root), str(root / "src")]


def test_src_that_is_a_package_itself_is_none_of_the_folders_to_import_from(
    trees: tuple[Path, Path],
) -> None:
    root, _ = trees
    (root / "src" / "__init__.py").touch()
    (root / "src" / "parcels_in_src" / "pipe.py").write_text("import noria\n\np = noria.Pipeline('within')\n")
    assert load_pipeline(root, "src.parcels_in_src.pipe:p").name == "within"
    assert str(root / "src") not in sys.path

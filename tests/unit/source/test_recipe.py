"""A lock as a recipe: what is put beside it, and what no environment can be built of."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

import msgspec
import pytest

from noria.errors import ConfigError
from noria.source.environment import look, of_lock
from noria.source.layer import LockRefusesNoria, beside, layer
from noria.source.recipe import FolderPinned, NoLock, PythonUnfit, recipe
from unit.source.test_applied import HASH, entry, lock


def project(folder: Path, *names: tuple[str, str], head: str = "", more: str = "") -> Path:
    needs = ", ".join(f'{{ name = "{name}" }}' for name, _ in names)
    root = entry("project", source='{ virtual = "." }', more=f"dependencies = [{needs}]")
    lock(folder, head + root + "".join(entry(*one) for one in names) + more)
    return folder


def test_what_noria_needs_and_the_lock_does_not_have_is_put_beside_it(tmp_path: Path) -> None:
    numpy = metadata.version("numpy")
    made, place = recipe(project(tmp_path, ("numpy", numpy), ("mine", "1.0")))
    assert made.pins == {"mine": ("1.0", (HASH,)), "numpy": (numpy, (HASH,))}
    assert made.beside["msgspec"] == metadata.version("msgspec") and "numpy" not in made.beside
    assert made.beside["noria"] == metadata.version("noria") and made.noria
    assert place == of_lock(tmp_path) and place.beside == made.beside
    assert "pytest" not in made.beside and "psycopg2-binary" not in made.beside


def test_back_ends_of_a_driver_are_installed_and_not_recorded(tmp_path: Path) -> None:
    made, place = recipe(project(tmp_path, ("mine", "1.0")), drives=["postgres"])
    assert "psycopg2-binary" in made.beside and "psycopg2-binary" not in place.beside
    assert made.address != recipe(tmp_path)[0].address


def test_what_stores_an_object_comes_with_its_library() -> None:
    assert "skops" in layer({"scikit-learn"}).versions
    assert "skops" not in layer({"numpy"}).versions


def test_a_lock_with_noria_in_it_has_that_one(tmp_path: Path) -> None:
    every = layer(()).versions
    made, place = recipe(project(tmp_path, *every.items()))
    assert made.noria == "" and made.beside == {} and place.beside == {}


def test_a_pin_that_noria_cannot_run_with_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(LockRefusesNoria, match=r"noria needs numpy.*the lock has 1\.26\.4"):
        recipe(project(tmp_path, ("numpy", "1.26.4")))


def test_where_it_cannot_be_built(tmp_path: Path) -> None:
    with pytest.raises(NoLock):
        recipe(tmp_path)
    with pytest.raises(PythonUnfit, match=f">=3.99, and noria runs in {platform.python_version()}"):
        recipe(project(tmp_path, ("mine", "1.0"), head='requires-python = ">=3.99"\n'))
    own = entry("own", source='{ directory = "../own" }')
    with pytest.raises(FolderPinned, match="own"):
        recipe(project(tmp_path, ("mine", "1.0"), more=own))
    assert issubclass(FolderPinned, ConfigError)


def test_a_past_run_has_its_own_python_and_its_own_noria(tmp_path: Path) -> None:
    _, place = recipe(project(tmp_path, ("mine", "1.0")))
    past = msgspec.structs.replace(place, python="3.11.1", beside={**place.beside, "noria": "0.0.9"})
    made, known = recipe(tmp_path, recorded=past)
    assert (made.python, made.beside["noria"], made.noria) == ("3.11.1", "0.0.9", "release 0.0.9")
    assert known == past


def test_an_interpreter_is_held_against_the_lock_package_by_package(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    found = {
        **layer(()).versions,
        "mine": "1.0",
        "other": "2.0",
        "stray": "3.0",
        "pip": "26.0",
        "project": "1",
    }
    for name, version in found.items():
        (site / f"{name.replace('-', '_')}-{version}.dist-info").mkdir(parents=True)
    project(tmp_path, ("mine", "1.1"), ("gone", "1.0"), more=entry("other", "2.0"))
    seen = look(tmp_path, paths=[str(site)])
    assert [str(one) for one in seen.differs] == [
        "gone 1.0 is not installed",
        "mine 1.0 instead of 1.1",
        "stray 3.0 is in no lock",
    ]
    assert seen.lock == "uv.lock" and seen.environment.lock is None, "it is known by what is installed"
    project(tmp_path, ("mine", "1.0.0"), ("other", "2.0"), ("stray", "3.0"))
    seen = look(tmp_path, paths=[str(site)])
    assert seen.differs == () and seen.environment == of_lock(tmp_path)


def test_the_order_of_what_stands_beside_is_fixed() -> None:
    assert list(beside(())) == sorted(beside(()))

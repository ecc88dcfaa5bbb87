"""A pyproject.toml that asks for what its uv.lock was not made for."""

from __future__ import annotations

from pathlib import Path

import pytest

from noria.source.unlocked import unlocked

LOCK = """
version = 1

[[package]]
name = "mine"
version = "0.1.0"
source = { virtual = "." }

[package.metadata]
requires-dist = [
    { name = "idna", specifier = ">=3,<4" },
    { name = "noria", extras = ["sklearn"], editable = "../noria" },
    { name = "polars" },
    { name = "six", specifier = "==1.0rc1" },
]

[package.metadata.requires-dev]
gpu = [{ name = "torch", specifier = ">=2" }]
"""


def asking(folder: Path, dependencies: str, gpu: str = '"torch>=2"', lock: str = LOCK) -> tuple[str, ...]:
    (folder / "uv.lock").write_text(lock)
    groups = f'\n[dependency-groups]\ngpu = [{gpu}]\nall = [{{include-group = "gpu"}}]\n'
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "mine"\ndependencies = [{dependencies}]\n{groups}'
    )
    return unlocked(folder)


@pytest.mark.parametrize(
    "wish",
    ["idna<4, >=3", "Idna (>=3,<4)", "idna>=3,<4; python_version > '3'", "noria[sklearn]>=0.1", "polars", "six==1.0-rc1",
     "here @ file:///x"],
)  # fmt: skip
def test_what_the_lock_was_made_for(wish: str, tmp_path: Path) -> None:
    assert asking(tmp_path, f'"{wish}"') == ()


def test_what_was_changed_since(tmp_path: Path) -> None:
    assert asking(tmp_path, '"idna>=3.1,<4", "polars>=2", "numpy"', gpu='"torch>=3"') == (
        "idna>=3.1,<4",
        "polars>=2",
        "numpy",
        "torch>=3",
    )


def test_a_lock_that_does_not_say_what_it_was_made_for(tmp_path: Path) -> None:
    for lock in ("version = 1\n", LOCK.replace('virtual = "."', 'registry = "r"'), "no toml"):
        assert asking(tmp_path, '"numpy"', lock=lock) == ()
    (tmp_path / "uv.lock").unlink()
    assert unlocked(tmp_path) == ()

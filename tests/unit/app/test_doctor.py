"""What `noria doctor` says of this machine."""

from __future__ import annotations

import tomllib
from pathlib import Path

from noria.app.doctor import EXTRAS

NO_PART_OF_NORIA = {
    "uv",
    "dev",
    "examples",
}  # a program, which has a line of its own, and what tests and examples need


def test_it_knows_every_extra_that_there_is() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert set(EXTRAS) == set(project["optional-dependencies"]) - NO_PART_OF_NORIA

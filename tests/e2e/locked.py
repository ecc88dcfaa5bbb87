"""The demand project with a lock of its own, whose packages come from an index on loopback."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from e2e.project import FIRST, PIPELINE, POLICY, Project
from noria.adapters.uv import find_uv
from packages import Index

SCALED = PIPELINE.replace("import polars as pl\n", "import polars as pl\nimport scale\n").replace(
    "    return weights", "    return weights * scale.FACTOR"
)


@dataclass(frozen=True)
class Locked(Project):
    """A project with a pyproject.toml, and ways to lock it."""

    index: Index

    def wants(self, *dependencies: str, groups: str = "") -> None:
        """Write pyproject.toml anew, and lock."""
        listed = ", ".join(f'"{one}"' for one in dependencies)
        self.write(
            "pyproject.toml",
            f'[project]\nname = "demand"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = [{listed}]\n'
            f"[dependency-groups]\n{groups}\n"
            f'[[tool.uv.index]]\nurl = "{self.index.url}"\ndefault = true\n',
        )
        self.lock()

    def lock(self) -> None:
        uv("lock", cwd=self.folder)

    def trained(self, *words: str) -> str:
        """A run to its end, with what it said on the way."""
        return self.noria("run", "--as-of", FIRST, *words, exit=None).stderr


def locked(folder: Path, index: Index) -> Locked:
    """A committed project that wants scale 1.0."""
    folder.mkdir()
    project = Locked(folder, index)
    project.write("pipeline.py", SCALED)
    project.write("noria.toml", POLICY)
    project.wants("scale==1.0")
    project.git("init", "--quiet", "--initial-branch=main")
    project.commit("First")
    return project


def uv(*words: str, cwd: Path) -> None:
    """uv with nothing of this test's own environment in its way."""
    given = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    command = [str(find_uv()), *words, "--quiet", "--no-progress"]
    done = subprocess.run(command, cwd=cwd, env=given, capture_output=True, text=True)
    assert done.returncode == 0, f"{words}\n{done.stderr}"

"""Which interpreter a version's workers run in: the one of its own environment."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from noria.records.sources import Environment
from noria.records.versions import Version
from noria.serving.log import Narrator

BUILDING = 1800.0  # s; a large environment over a slow network


class _Built(msgspec.Struct):
    """What `noria env build --json` says, as far as it matters here."""

    here: bool
    python: str | None


@dataclass(frozen=True)
class Environments:
    """Versions' interpreters, built by `noria env` where they are not there yet."""

    here: Environment | None
    """What this interpreter is for the project; None: nobody has looked, and every version runs in it."""
    project: Path
    narrate: Narrator

    def python_of(self, version: Version) -> str:
        """The interpreter of a version's environment. Where it cannot be rebuilt, this one, said aloud: what the version
        answers to rows of its own training data is what keeps a wrong one from being used."""
        if self.here is None or version.environment == self.here:
            return sys.executable
        command = [sys.executable, "-P", "-m", "noria", "env", "build", version.name, "--json"]
        try:
            done = subprocess.run(
                command, cwd=self.project, capture_output=True, text=True, timeout=BUILDING, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return self._instead(version, f"{type(error).__name__}: {error}")
        if done.returncode != 0:
            return self._instead(version, done.stderr.strip()[-1000:])
        built = msgspec.json.decode(done.stdout, type=_Built)
        if built.python is None:
            return sys.executable
        self.narrate("environment.found", version=version.name, python=built.python)
        return built.python

    def _instead(self, version: Version, why: str) -> str:
        self.narrate("environment.other", version=version.name, python=sys.executable, why=why)
        return sys.executable

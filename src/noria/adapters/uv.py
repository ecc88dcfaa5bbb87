"""The uv CLI: makes virtual environments and installs into them exactly what a lock says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from noria.errors import BackendError, ConfigError, Corrupt, NoriaError, NotFound, Unavailable

TOLD = 12  # lines of what uv said that an error repeats; its own hints stand at the end
OURS = (
    "VIRTUAL_ENV",
    "UV_PYTHON",
    "UV_FROZEN",
    "UV_LOCKED",
    "UV_PROJECT",
    "UV_WORKING_DIRECTORY",
    "PYTHONPATH",
)
"""Variables that would make uv work on another environment than the one it is told."""


@dataclass(eq=False)
class NoUv(ConfigError):
    code: ClassVar[str] = "UV-MISSING"
    what: ClassVar[str] = "uv is not installed, and without it no environment can be built from a lock"
    next: ClassVar[str] = (
        "pip install 'noria[uv]'; or run in what is installed here, and record it as such: [environment] build = "
        '"current" in noria.toml'
    )


@dataclass(eq=False)
class PackageGone(NotFound):
    code: ClassVar[str] = "PACKAGE-GONE"
    what: ClassVar[str] = "a package of {lock} is not at its index any more:\n{said}"
    next: ClassVar[str] = "find it in a mirror or a cache (UV_CACHE_DIR), or lock anew: uv lock"
    lock: str
    said: str


@dataclass(eq=False)
class PackageForged(Corrupt):
    code: ClassVar[str] = "PACKAGE-HASH"
    what: ClassVar[str] = "a package of {lock} is not the one that was locked:\n{said}"
    next: ClassVar[str] = "install nothing before you know why the index gives other bytes than it did"
    lock: str
    said: str


@dataclass(eq=False)
class OtherPlatform(ConfigError):
    code: ClassVar[str] = "PACKAGE-PLATFORM"
    what: ClassVar[str] = "a package of {lock} cannot be had for this platform or Python:\n{said}"
    next: ClassVar[str] = (
        "lock for this platform, too (tool.uv.required-environments), or run on one that it is for"
    )
    lock: str
    said: str


@dataclass(eq=False)
class IndexSilent(Unavailable):
    code: ClassVar[str] = "INDEX-UNREACHABLE"
    what: ClassVar[str] = "the packages of {lock} cannot be fetched now:\n{said}"
    next: ClassVar[str] = "try again with a network; what uv's cache holds needs none"
    lock: str
    said: str


@dataclass(eq=False)
class PythonGone(NotFound):
    code: ClassVar[str] = "PYTHON-GONE"
    what: ClassVar[str] = "Python {python} is not to be had here:\n{said}"
    next: ClassVar[str] = "uv python install {python}, or install it by other means"
    python: str
    said: str


@dataclass(eq=False)
class EnvironmentDiskFull(BackendError):
    code: ClassVar[str] = "ENVIRONMENT-DISK-FULL"
    what: ClassVar[str] = "no room for an environment in {folder}: {said}"
    next: ClassVar[str] = "noria env prune; or name a larger disk in NORIA_ENVIRONMENTS"
    folder: str
    said: str


@dataclass(eq=False)
class LockUnusable(ConfigError):
    code: ClassVar[str] = "LOCK-UNUSABLE"
    what: ClassVar[str] = "uv cannot install what {lock} says:\n{said}"
    next: ClassVar[str] = "mend it with the tool that made it (uv lock), and try again"
    lock: str
    said: str


KINDS: Sequence[tuple[str, type[NoriaError]]] = (
    (r"[Hh]ash mismatch", PackageForged),
    (r"No space left on device|Disk quota exceeded|os error 28\b", EnvironmentDiskFull),
    (r"client error \((404|410)|was not found in the|no version of|not found in the package", PackageGone),
    (
        r"for the current platform|no wheels with a matching|is not compatible with|has no wheels",
        OtherPlatform,
    ),
    (
        r"error sending request|Network connectivity is disabled|[Cc]onnect|timed out|server error \(5",
        IndexSilent,
    ),
)
"""What uv says, and what it means: the first that matches. Its exit codes tell less."""


VARIABLE = "UV"  # the program's path, as uv itself hands it on to what it runs


def find_uv() -> Path:
    """Raises `NoUv`."""
    found = known_uv()
    if found is None:
        raise NoUv()
    return found


def known_uv() -> Path | None:
    """The one that the variable names, else the one beside this interpreter, else the one on PATH."""
    named, beside = os.environ.get(VARIABLE), str(Path(sys.executable).parent)
    found = (named and shutil.which(named)) or shutil.which("uv", path=beside) or shutil.which("uv")
    return Path(found) if found else None


@dataclass(frozen=True)
class Uv:
    """Calls on one environment that is being made. Errors are the families above."""

    program: Path
    home: Path
    """The environment."""
    lock: str
    """As errors name it."""

    @property
    def python(self) -> Path:
        return self.home / "bin" / "python"

    def venv(self, python: str) -> None:
        """An empty environment for a Python, which is a path or a version. Raises `PythonGone`."""
        words = ["venv", "--relocatable", "--no-project", "--python", python, str(self.home)]
        done = self._call(words, cwd=self.home.parent)
        if done.returncode:
            raise self._meant(done.stderr, among=(EnvironmentDiskFull,)) or PythonGone(
                python, _said(done.stderr)
            )

    def sync(self, project: Path, group: str | None) -> None:
        """Just what the project's lock says, without the project itself."""
        match self.lock:
            case "uv.lock":
                words = [
                    "sync",
                    "--frozen",
                    "--no-install-project",
                    "--no-default-groups",
                    "--project",
                    str(project),
                ]
                words += ["--group", group] if group else []
            case "pylock.toml":
                words = ["pip", "sync", "--preview-features", "pylock", self.lock, *self._into()]
                words += ["--group", group] if group else []
            case _:
                words = ["pip", "sync", "--require-hashes", self.lock, *self._into()]
        self._must(words, project)

    def add(self, versions: Mapping[str, str]) -> None:
        """More packages, in just these versions and without what they depend on; from the indexes that are set for the
        user, not for the project."""
        pins = [f"{name}=={version}" for name, version in versions.items()]
        self._must(["pip", "install", "--no-deps", *self._into(), *pins], self.home.parent)

    def _into(self) -> list[str]:
        return ["--python", str(self.python)]

    def _must(self, words: Sequence[str], cwd: Path) -> None:
        done = self._call(words, cwd=cwd)
        if done.returncode:
            raise self._meant(done.stderr) or LockUnusable(self.lock, _said(done.stderr))

    def _meant(self, said: str, among: Sequence[type[NoriaError]] = ()) -> NoriaError | None:
        for pattern, kind in KINDS:
            if re.search(pattern, said) and (not among or kind in among):
                where = str(self.home.parent) if kind is EnvironmentDiskFull else self.lock
                return kind(where, _said(said))  # each takes a place and what was said
        return None

    def _call(self, words: Sequence[str], cwd: Path) -> subprocess.CompletedProcess[str]:
        given = {name: value for name, value in os.environ.items() if name not in OURS}
        return subprocess.run(
            [str(self.program), *words, "--no-progress", "--color", "never"],
            cwd=cwd,
            env={**given, **self._variables()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )

    def _variables(self) -> dict[str, str]:
        """Python compiles what it imports, once for all, unless it was told to write no bytecode: then uv does it, or
        each worker would begin with seconds of compiling."""
        compiled = {"UV_COMPILE_BYTECODE": "1"} if sys.dont_write_bytecode else {}
        return {"UV_PROJECT_ENVIRONMENT": str(self.home), **compiled}


def _said(text: str) -> str:
    """uv's own words, without its chatter and without credentials in addresses."""
    lines = [
        line for line in text.splitlines() if line.strip() and not line.startswith(("Using ", "Creating "))
    ]
    return "\n".join(re.sub(r"(?<=://)[^/@\s]+@", "", line) for line in lines[:TOLD])

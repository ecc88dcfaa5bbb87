"""Lock files, reduced to what decides which bytes get installed: names, versions and hashes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from noria.errors import ConfigError
from noria.records.base import Record
from noria.records.environments import normal

REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*(===?\s*(?P<version>[^\s;]+)|@\s*\S+)"
)
HASH = re.compile(r"--hash[=\s]\s*(\S+)")
MARKER = re.compile(r";\s*(?P<marker>.*?)\s*(?:--hash.*)?$")
INCLUDE = re.compile(r"(?:-r|--requirement)[=\s]\s*(?P<file>\S+)")


class Pin(Record):
    """One package of an environment."""

    name: str
    """As PEP 503 writes it."""
    version: str = ""
    """Empty for what is pinned by its hash or commit alone."""
    hashes: frozenset[str] = frozenset()
    """`sha256:...` of each file that may be installed, or `git:` and a commit."""


def pins_of(file: Path) -> frozenset[Pin] | None:
    """What a lock file pins, by its name; None when it pins nothing. Raises `BadLock`."""
    try:
        return LOCKS[file.name](file)
    except (OSError, ValueError) as error:  # the parser's and the decoder's complaints are ValueErrors
        raise BadLock(file=str(file), reason=str(error)) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise BadLock(file=str(file), reason=f"it has not the form of a lock ({error})") from error


def uv_lock(file: Path) -> frozenset[Pin]:
    """The packages of a `uv.lock`. The project itself and what it names by a folder carry no hash: the project's own
    code is pinned by the source tree."""
    packages = read_toml(file).get("package", [])
    return frozenset(uv_pin(package) for package in packages if not is_project(package))


def pylock(file: Path) -> frozenset[Pin]:
    """The packages of a `pylock.toml` (PEP 751)."""
    return frozenset(pylock_pin(package) for package in read_toml(file).get("packages", []))


def hashed_requirements(file: Path) -> frozenset[Pin] | None:
    """The packages of a `requirements.txt` and the files that it includes; None unless every one has a hash, for
    then it is a wish and not a lock."""
    pins = [pin for pin, _ in requirement_lines(file)]
    return frozenset(pins) if pins and all(pin.hashes for pin in pins) else None


LOCKS: Mapping[str, Callable[[Path], frozenset[Pin] | None]] = {
    "uv.lock": uv_lock,
    "pylock.toml": pylock,
    "requirements.txt": hashed_requirements,
}


def requirement_lines(file: Path) -> Iterator[tuple[Pin, str]]:
    """What a requirements file and those that it includes name, each with its marker, which may be empty."""
    return _requirements(file, set())


def read_toml(file: Path) -> dict[str, Any]:
    """A file's tables, to be read alone: who asks twice gets the same ones."""
    return _parsed(file.read_text(encoding="utf-8"))


@lru_cache(maxsize=4)  # a lock of 200 packages takes 50 ms, and several questions are asked of one
def _parsed(text: str) -> dict[str, Any]:
    return tomllib.loads(text)


def is_project(package: Mapping[str, Any]) -> bool:
    """Whether an entry of a `uv.lock` is the project whose lock it is."""
    source = package.get("source", {})
    return "." in (source.get("editable"), source.get("virtual"))


def uv_pin(package: Mapping[str, Any]) -> Pin:
    files = [*package.get("wheels", []), package.get("sdist", {})]
    hashes = {file["hash"] for file in files if "hash" in file}
    _, _, commit = package.get("source", {}).get("git", "").partition("#")
    return _pin(package, hashes | ({f"git:{commit}"} if commit else set()))


def pylock_pin(package: Mapping[str, Any]) -> Pin:
    files = [*package.get("wheels", []), package.get("sdist", {}), package.get("archive", {})]
    hashes = {f"{kind}:{value}" for file in files for kind, value in file.get("hashes", {}).items()}
    commit = package.get("vcs", {}).get("commit-id")
    return _pin(package, hashes | ({f"git:{commit}"} if commit else set()))


def _pin(package: Mapping[str, Any], hashes: set[str]) -> Pin:
    return Pin(name=normal(package["name"]), version=package.get("version", ""), hashes=frozenset(hashes))


def _requirements(file: Path, seen: set[Path]) -> Iterator[tuple[Pin, str]]:
    if file in seen:
        return
    seen.add(file)
    for line in _lines(file):
        if include := INCLUDE.match(line):
            yield from _requirements((file.parent / include["file"]).resolve(), seen)
        elif named := REQUIREMENT.match(line):
            marker = MARKER.search(line)
            hashes = frozenset(HASH.findall(line))
            pin = Pin(name=normal(named["name"]), version=named["version"] or "", hashes=hashes)
            yield pin, marker["marker"] if marker else ""
        elif not line.startswith("-"):  # another option says where to look, not what to install
            yield Pin(name=line), ""  # `flask>=2`: no hash, so no lock


def _lines(file: Path) -> Iterator[str]:
    """Requirements with their continuation lines, without comments and blank lines."""
    text = file.read_text(encoding="utf-8-sig")
    joined = re.sub(r"\\\r?\n", " ", re.sub(r"(?m)(^|\s)#.*$", "", text))
    return (line.strip() for line in joined.splitlines() if line.strip())


@dataclass(eq=False)
class BadLock(ConfigError):
    file: str
    reason: str
    code: ClassVar[str] = "LOCK-UNREADABLE"
    what: ClassVar[str] = "{file} pins the environment and cannot be read: {reason}"
    next: ClassVar[str] = (
        "write it anew with the tool that made it (`uv lock`, `uv pip compile --generate-hashes`)"
    )

"""Which releases of Ray this engine was tried with, and what is said of others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata
from typing import ClassVar

from packaging.specifiers import SpecifierSet

from noria.errors import ConfigError

TRIED = SpecifierSet(">=2.60,<3")  # as pyproject.toml says; a test compares


@dataclass(eq=False)
class OtherRelease(ConfigError):
    code: ClassVar[str] = "RAY-RELEASE"
    what: ClassVar[str] = "Ray {found} is installed here, and this Noria works with Ray {tried}"
    next: ClassVar[str] = "pip install 'noria[ray]', here and on every node"
    found: str
    tried: str = str(TRIED)


@dataclass(eq=False)
class ClusterDiffers(ConfigError):
    code: ClassVar[str] = "RAY-VERSIONS"
    what: ClassVar[str] = "the Ray cluster at {address} runs {theirs}, and this machine has {ours}"
    next: ClassVar[str] = (
        "install one release of Ray and of Python here and on every node, to the last number"
    )
    address: str
    theirs: str
    ours: str


def check_release(found: str | None = None) -> None:
    """Raises `OtherRelease` for a Ray that this engine is not made for."""
    found = found or metadata.version("ray")
    if not TRIED.contains(found, prereleases=True):
        raise OtherRelease(found)


def differs(address: str, error: Exception) -> ClusterDiffers | None:
    """What Ray says of a cluster of another release than ours; None: it says something else."""
    pairs = re.findall(r"Ray: (\S+)\s+Python: (\S+)", str(error))
    if "Version mismatch" not in str(error) or len(pairs) != 2:
        return None
    theirs, ours = (f"Ray {ray} on Python {python}" for ray, python in pairs)
    return ClusterDiffers(address, theirs, ours)

"""What an engine on a Ray cluster is told when it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from noria.adapters.ray_seat import LayOut
from noria.records.base import Digest


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which cluster, and what the project says of it."""

    address: str | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    """`num_cpus` and the like of a Ray that is started for this."""
    grows: bool = False
    """Nodes are added when they are asked for."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment for the nodes."""


@dataclass(frozen=True, kw_only=True)
class Code:
    """What the workers of an engine are bound to."""

    root: Path
    project: Path
    tree: Callable[[], Digest]
    """Puts the source tree at `root` into the object store, where it is not yet."""
    lay_out: LayOut

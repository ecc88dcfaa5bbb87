"""An environment that steps can run in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from noria.records.sources import Environment


@dataclass(frozen=True)
class Prepared:
    """An interpreter, and the record of what is installed for it."""

    python: Path | None
    """None: the one that runs noria."""
    environment: Environment

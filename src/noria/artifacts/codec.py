"""How a kind of value becomes addressed bytes and comes back; plugins add kinds in the group `noria.codecs`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from noria.errors import ConfigError
from noria.ports.objects import ObjectStore
from noria.records.artifacts import Artifact
from noria.records.base import Digest


class Shelf(Protocol):
    """What a codec works with; `Artifacts` is one."""

    store: ObjectStore
    trusted: frozenset[str]
    """Classes and functions, by full name, that the project trusts in models beyond our own list."""

    looked_into: dict[Digest, list[str]]
    """Models whose insides this process has judged already, by their bytes: the types that had to be trusted."""

    fresh: dict[Digest, Any] | None
    """The model that was read back as soon as it was stored, for who loads it next; None: nobody will."""

    def save(self, value: object, *, codec: str | None = None) -> Artifact: ...

    def load(self, artifact: Artifact, wanted: Any = None) -> Any: ...

    def holds(self, artifact: Artifact) -> Iterable[Digest]: ...

    def scratch(self) -> Path:
        """A folder of its own for files that are read, gone with the process."""
        ...


class Codec(Protocol):
    """One format. `Artifact.codec` is `name/version`; a codec reads every version up to its own.

    The same value gives the same bytes in every process. Reading runs no code of the artifact's, and imports
    nothing but what the value's own kind needs.
    """

    name: str
    version: int

    def fits(self, value: object) -> bool:
        """Whether this is the codec for a value; asked of every value, so it imports nothing."""
        ...

    def save(self, value: Any, shelf: Shelf) -> Artifact:
        """Store it. Raises `CannotStore`."""
        ...

    def load(self, artifact: Artifact, shelf: Shelf) -> Any: ...

    def holds(self, artifact: Artifact, shelf: Shelf) -> Iterable[Digest]:
        """The other objects that its bytes name: what a copy must take along and a collection must keep."""
        ...


@dataclass(eq=False)
class CannotStore(ConfigError):
    """A step returned something that no codec takes."""

    code = "CANNOT-STORE"
    what = "cannot store {type}{place}: {reason}"
    next = (
        "return a table (polars, pandas, Arrow), a numpy array, JSON values, a dataclass, a path, a figure, a "
        "scikit-learn, LightGBM or XGBoost model, an ONNX model, or a dict, list or tuple of these; convert what is "
        "none of them; "
        'codec="pickle" on the step keeps anything, and is recorded as unsafe'
    )
    type: str
    reason: str
    where: str
    """Where in the value: a column, a key; empty for the value itself."""

    def facts(self) -> dict[str, object]:
        return {**super().facts(), "place": f" (at {self.where})" if self.where else ""}


def spelled(codec: Codec) -> str:
    """A codec's name as artifacts record it."""
    return f"{codec.name}/{codec.version}"

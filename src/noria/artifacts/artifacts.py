"""Values to artifacts and back: the one object that stages use."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noria.artifacts.arrays import ArrayCodec
from noria.artifacts.arrow import ArrowCodec, mapped
from noria.artifacts.boosters import LightGbmCodec, XgBoostCodec
from noria.artifacts.codec import CannotStore, Codec
from noria.artifacts.estimators import SkopsCodec
from noria.artifacts.exported import ExportCodec, refused
from noria.artifacts.filed import FilesCodec
from noria.artifacts.files import BytesCodec, FigureCodec, PathCodec
from noria.artifacts.kinds import kind_wanted, public_name
from noria.artifacts.lists import ListCodec
from noria.artifacts.onnxes import SESSION, OnnxCodec, session_of
from noria.artifacts.pickled import PickleCodec
from noria.artifacts.tables import as_kind, to_arrow
from noria.artifacts.values import BundleCodec, JsonCodec
from noria.errors import ConfigError
from noria.ports.objects import ObjectStore
from noria.records.artifacts import Artifact
from noria.records.base import Digest

if TYPE_CHECKING:
    import pyarrow as pa

PLUGINS = "noria.codecs"  # entry points: each names a class that is a Codec, made without arguments

BUILT_IN: tuple[Codec, ...] = (
    ArrowCodec(),
    ArrayCodec(),
    JsonCodec(),
    SkopsCodec(),
    LightGbmCodec(),
    XgBoostCodec(),
    OnnxCodec(),
    PathCodec(),
    FilesCodec(),
    BytesCodec(),
    FigureCodec(),
    BundleCodec(),
    ListCodec(),
    ExportCodec(),
    PickleCodec(),
)


@dataclass(eq=False)
class NoCodec(ConfigError):
    """A codec is named, by a step or by an artifact's record, that is not installed."""

    code = "NO-CODEC"
    what = "there is no codec {name}; installed are {known}"
    next = "install the package that brings it (or the Noria that wrote it), or name one of these"
    name: str
    known: list[str]


@dataclass(eq=False)
class NotATableArtifact(ConfigError):
    """A table is needed, and the artifact is something else."""

    code = "NOT-A-TABLE"
    what = "a table is needed, and this artifact is a {type}"
    next = "return a table from the step that makes it"
    type: str


class Artifacts:
    """Saves any value that has a codec and loads it again. Safe for many threads.

    `scratch` is where files that steps returned are laid out for readers: on the store's own file system they are
    links, else copies; gone with this object. `trusted` are full names of the project's own estimators and functions.
    `digests_only`: nothing that is saved will be loaded.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        scratch: Path | None = None,
        trusted: Collection[str] = (),
        digests_only: bool = False,
    ) -> None:
        self.store = store
        self.trusted = frozenset(trusted)
        self.looked_into: dict[Digest, list[str]] = {}
        self.fresh: dict[Digest, Any] | None = None if digests_only else {}
        self._above = scratch

    def save(self, value: object, *, codec: str | None = None) -> Artifact:
        """Store a value with the codec that fits it, or the one named. Raises `CannotStore`, `NoCodec`."""
        return (self._fitting(value) if codec is None else self._named(codec)).save(value, self)

    def load(self, artifact: Artifact, wanted: Any = None) -> Any:
        """The value in the form it had; a table in the form that the annotation `wanted` names, an ONNX model as a session
        where it names one.

        Tables and large arrays are mapped: they cost no memory until they are used, and arrays are read-only.
        """
        if artifact.codec.startswith("onnx/") and kind_wanted(wanted) == SESSION:
            return session_of(artifact, self)
        value = self._named(artifact.codec).load(artifact, self)
        if artifact.codec.startswith("arrow/"):
            return as_kind(value, kind_wanted(wanted) or artifact.type)
        return value

    def table(self, artifact: Artifact) -> pa.Table:
        """An artifact's table, mapped. Raises `NotATableArtifact`."""
        if not artifact.codec.startswith("arrow/"):
            raise NotATableArtifact(type=artifact.type or artifact.codec)
        return to_arrow(mapped(artifact.digest, self))

    def holds(self, artifact: Artifact) -> Iterable[Digest]:
        """The objects beyond its own that an artifact's bytes name: to be copied and kept with it."""
        return self._named(artifact.codec).holds(artifact, self)

    def scratch(self) -> Path:
        return Path(self._scratch.name)

    def close(self) -> None:
        """Remove the files that were laid out for readers; also done when this object goes."""
        if "_scratch" in vars(self):
            self._scratch.cleanup()
            del self._scratch

    @cached_property
    def _scratch(self) -> tempfile.TemporaryDirectory[str]:
        if self._above is not None:
            self._above.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix="noria-", dir=self._above, ignore_cleanup_errors=True)

    @cached_property
    def _plugins(self) -> Sequence[Codec]:
        """Looked for only when no codec of ours will do: reading every distribution's metadata takes 10 ms."""
        from importlib.metadata import entry_points

        return tuple(found.load()() for found in entry_points(group=PLUGINS))

    def _fitting(self, value: object) -> Codec:
        for codec in BUILT_IN:
            if codec.fits(value):
                return codec
        for codec in self._plugins:
            if codec.fits(value):
                return codec
        if (refusal := refused(value)) is not None:
            raise refusal
        raise CannotStore(type=public_name(type(value)), reason="there is no safe form for it", where="")

    def _named(self, spelling: str) -> Codec:
        """By `name` or `name/version`, which must not be newer than the codec."""
        name, _, version = spelling.partition("/")
        for codec in (*BUILT_IN, *(self._plugins if all(codec.name != name for codec in BUILT_IN) else ())):
            if codec.name == name and (not version or int(version) <= codec.version):
                return codec
        known = [codec.name for codec in (*BUILT_IN, *self._plugins)]
        raise NoCodec(name=spelling, known=known)

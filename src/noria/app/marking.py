"""Which objects a record needs: those that it names, and those that their bytes name in turn.

Every digest in a record counts, whatever its field: a digest that names no object marks nothing, and a field that is
added later is kept without a word here. Only what names further objects must be known: an artifact asks its codec, a
`Source` has a tree, a `DataSource` a manifest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from noria.errors import NotFound
from noria.records.artifacts import Artifact
from noria.records.base import Digest, parse
from noria.records.profiles import Manifest
from noria.records.sources import Tree

if TYPE_CHECKING:
    from noria.artifacts import Artifacts

DIGEST = re.compile(rb"blake3:[0-9a-f]{64}")
NAMES_MORE = re.compile(
    rb'"(?:tree|manifest|codec)":"(?!(?:arrow|npy|json|bytes|png|skops|lightgbm|xgboost|pickle)/)'
)
"""What in a record's JSON names objects that name others. The codecs here hold no others; all else is asked."""


class Naming(NamedTuple):
    """An object that may name others."""

    kind: str
    """`tree`, `manifest` or `artifact`."""
    digest: Digest
    codec: str = ""


class Marks:
    """A growing set of objects. Each object that names others is read once."""

    def __init__(self, artifacts: Artifacts) -> None:
        self.digests: set[Digest] = set()
        self._artifacts = artifacts
        self._below: dict[Naming, frozenset[Digest]] = {}

    def add(self, records: Iterable[object]) -> None:
        """Mark what some records need. Raises `Unavailable`, `Corrupt` and `NoCodec`: then nobody knows what to keep."""
        for record in records:
            self.digests |= self.of(msgspec.json.encode(record))

    def of(self, body: bytes, *, as_far_as_known: bool = False) -> set[Digest]:
        """What a record needs, from its JSON. `as_far_as_known`: without what an object names whose codec is not
        installed, instead of `NoCodec`."""
        found = {Digest(digest.decode()) for digest in DIGEST.findall(body)}
        if NAMES_MORE.search(body):
            from noria.artifacts.artifacts import NoCodec

            for naming in _naming(msgspec.json.decode(body)):
                try:
                    found |= self._named_by(naming)
                except NoCodec:
                    if not as_far_as_known:
                        raise
        return found

    def _named_by(self, naming: Naming) -> frozenset[Digest]:
        """What an object names; nothing, when it is gone: then nobody can find the others through it."""
        if naming not in self._below:
            try:
                self._below[naming] = frozenset(self._read(*naming))
            except NotFound:
                self._below[naming] = frozenset()
        return self._below[naming]

    def _read(self, kind: str, digest: Digest, codec: str) -> Iterable[Digest]:
        store = self._artifacts.store
        match kind:
            case "tree":
                return [file.digest for file in parse(store.get(digest), Tree).files]
            case "manifest":
                return [file.digest for file in parse(store.get(digest), Manifest).files]
        return self._artifacts.holds(Artifact(digest=digest, codec=codec, size=0))


def _naming(value: Any) -> Iterable[Naming]:
    """Each object in a record that may name others."""
    if isinstance(value, list):
        for item in value:
            yield from _naming(item)
    elif isinstance(value, dict):
        if isinstance(value.get("codec"), str) and _is_digest(value.get("digest")):
            yield Naming("artifact", value["digest"], value["codec"])
        for kind in ("tree", "manifest"):
            if _is_digest(value.get(kind)):  # a hyperparameter may have the same name
                yield Naming(kind, value[kind])
        for item in value.values():
            yield from _naming(item)


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and DIGEST.fullmatch(value.encode()) is not None

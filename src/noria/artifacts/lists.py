"""A list whose items are artifacts of their own: what a fan-out takes item by item, and gathers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from noria.artifacts.codec import CannotStore, Shelf
from noria.ports.objects import ObjectStore
from noria.records.artifacts import Artifact
from noria.records.base import Digest, canonical, digest_bytes

LIST = "list"


class ListCodec:
    """Canonical JSON: the items' artifacts, in order; an item may be such a list itself."""

    name = LIST
    version = 1

    def fits(self, value: object) -> bool:
        """Never by itself: a step's own list is kept whole, unless something reads it item by item."""
        return False

    def save(self, value: Any, shelf: Shelf) -> Artifact:
        if not isinstance(value, list | tuple):
            raise CannotStore(
                type=type(value).__name__,
                reason="it is read item by item (noria.Each), and only a list or a tuple has items; a table is cut "
                "with noria.Partition",
                where="",
            )
        return save_list([shelf.save(item) for item in value], shelf.store)

    def load(self, artifact: Artifact, shelf: Shelf) -> Any:
        return [shelf.load(item) for item in items_of(artifact, shelf.store)]

    def holds(self, artifact: Artifact, shelf: Shelf) -> Iterable[Digest]:
        for item in items_of(artifact, shelf.store):
            yield item.digest
            yield from shelf.holds(item)


def save_list(items: Sequence[Artifact], store: ObjectStore) -> Artifact:
    """A list of what is stored already."""
    store.put(canonical(list(items)))
    return list_of(items)


def list_of(items: Sequence[Artifact]) -> Artifact:
    """The artifact that `save_list` gives, without storing it."""
    body = canonical(list(items))
    return Artifact(
        digest=digest_bytes(body),
        codec=f"{LIST}/{ListCodec.version}",
        size=len(body),
        type="list",
        rows=len(items),
        unsafe=any(item.unsafe for item in items),
    )


def items_of(artifact: Artifact, store: ObjectStore) -> list[Artifact]:
    """The items' artifacts, in order."""
    return msgspec.json.decode(store.get(artifact.digest), type=list[Artifact])


def is_list(artifact: Artifact) -> bool:
    return artifact.codec.partition("/")[0] == LIST

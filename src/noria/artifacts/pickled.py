"""The opt-in for what nothing else can hold: pickle, recorded as unsafe, for reading it runs code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from noria.artifacts.codec import CannotStore, Shelf, spelled
from noria.artifacts.kinds import public_name
from noria.errors import Corrupt
from noria.records.artifacts import Artifact
from noria.records.base import Digest

PROTOCOL = 5  # the newest that every supported Python writes and reads


@dataclass(eq=False)
class NotMarkedUnsafe(Corrupt):
    """A record names pickle and denies that reading it is unsafe: no record of ours does."""

    code = "PICKLE-NOT-MARKED"
    what = "artifact {digest} is pickled and not marked as unsafe"
    next = "do not read it: the record was not written by Noria. noria run makes the step's output anew"
    digest: str


class PickleCodec:
    """Never chosen, only asked for by name."""

    name = "pickle"
    version = 1

    def fits(self, value: object) -> bool:
        return False

    def save(self, value: Any, shelf: Shelf) -> Artifact:
        import pickle

        try:
            data = pickle.dumps(value, PROTOCOL)
        except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
            raise CannotStore(
                type=public_name(type(value)), reason=f"pickle refuses it too: {error}", where=""
            ) from error
        named = public_name(type(value))
        return Artifact(
            digest=shelf.store.put(data), codec=spelled(self), size=len(data), type=named, unsafe=True
        )

    def load(self, artifact: Artifact, shelf: Shelf) -> Any:
        if not artifact.unsafe:
            raise NotMarkedUnsafe(digest=artifact.digest)
        import pickle

        return pickle.loads(shelf.store.get(artifact.digest))

    def holds(self, artifact: Artifact, shelf: Shelf) -> Iterable[Digest]:
        return ()

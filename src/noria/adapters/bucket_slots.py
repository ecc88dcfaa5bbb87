"""Named bytes in a bucket, beside its objects: the newest value of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from noria.adapters.slots import FOLDER, checked

if TYPE_CHECKING:
    from noria.adapters.bucket import Bucket


class BucketSlots:
    """See `noria.ports.slots.Slots`. Beyond its errors raises those of `bucket_errors`."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def put(self, name: str, data: bytes) -> None:
        self._bucket.replace(_key(name), data)

    def get(self, name: str) -> bytes | None:
        found = self._bucket.get(_key(name))
        return found[0] if found else None

    def names(self, folder: str) -> Sequence[str]:
        found = self._bucket.list(f"{_key(folder)}/")
        return sorted(one.key.removeprefix(f"{FOLDER}/") for one in found)

    def drop(self, name: str) -> None:
        self._bucket.delete([_key(name)])


def _key(name: str) -> str:
    return f"{FOLDER}/{checked(name)}"

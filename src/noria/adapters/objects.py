"""Which store a URL names."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from noria.adapters.patience import Tell, silent

if TYPE_CHECKING:
    from noria.ports.objects import ObjectStore
    from noria.ports.slots import Slots

CACHE = "cache"  # in a project's state: copies of what lies in a bucket


def open_objects(
    url: str | None, state: Path, *, tell: Tell = silent, unmet: bool = False
) -> tuple[ObjectStore, Slots]:
    """Objects, and the slots beside them: in the project's own state, in a folder (`file:///...`), or in a bucket of
    which `state` holds a cache. Asks nothing yet. `tell` hears what is waited for; `unmet`: nobody knows yet whether a
    bucket answers, so its first answer is not waited for as long as the next. Raises `BadObjectsUrl`, `NoObjectClient`, `BadCacheSize`."""
    if url is None or url.startswith("file://"):
        from noria.adapters.folder import FolderStore
        from noria.adapters.slots import FolderSlots

        folder = state if url is None else _folder(url)
        return FolderStore(folder), FolderSlots(folder)
    from noria.adapters.bucket import open_bucket
    from noria.adapters.bucket_cache import Cache
    from noria.adapters.bucket_slots import BucketSlots
    from noria.adapters.bucket_store import BucketStore

    bucket = open_bucket(url, tell=tell, unmet=unmet)
    return BucketStore(bucket, Cache(_cache_folder(state / CACHE))), BucketSlots(bucket)


def _cache_folder(shared: Path) -> Path:
    """That of the project; of a project that may only be read, one of this process alone, gone with it."""
    there = next(folder for folder in (shared, *shared.parents) if folder.exists())
    return shared if os.access(there, os.W_OK) else _own_cache()


@lru_cache(maxsize=1)
def _own_cache() -> Path:
    folder = tempfile.mkdtemp(prefix="noria-cache-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _folder(url: str) -> Path:
    from noria.adapters.bucket_errors import BadObjectsUrl

    parts = urlsplit(url)
    if parts.netloc or parts.path in ("", "/"):
        raise BadObjectsUrl(url=url, why="a folder is named by its whole path, after three slashes")
    return Path(unquote(parts.path))

"""Which place an address names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from noria.ports.places import Place


def open_place(url: str) -> Place:
    """A folder by its path, or a bucket with a prefix. Asks nothing yet. Raises `BadObjectsUrl`, `NoObjectClient`."""
    if "://" not in url:
        from noria.adapters.place_folder import FolderPlace

        return FolderPlace(Path(url))
    from noria.adapters.place_bucket import BucketPlace

    return BucketPlace(url)

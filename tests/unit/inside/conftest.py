"""A step under way, without a worker around it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from noria.adapters.folder import FolderStore
from noria.adapters.outside import FilesOutside
from noria.adapters.slots import FolderSlots
from noria.artifacts import Artifacts
from noria.inside.context import Inside, performing
from noria.inside.spool import Spool
from noria.records.base import Digest, digest_bytes

Step = Callable[..., AbstractContextManager[Inside]]
_attempts = itertools.count()


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(FolderStore(tmp_path / "store", durable=False), scratch=tmp_path / "scratch")


@pytest.fixture
def step(tmp_path: Path, artifacts: Artifacts) -> Step:
    """An attempt at a step: `with step(code="v2"):`. Attempts share the store and the slots, as in a project."""

    store = FolderStore(tmp_path / "store", durable=False)

    @contextmanager
    def attempt(code: str = "v1", spools: str = "spool") -> Iterator[Inside]:
        inside = Inside(
            run="delay/1",
            step="model",
            project=tmp_path,
            artifacts=artifacts,
            slots=FolderSlots(tmp_path),
            spool=Spool(tmp_path / spools, f"model-{next(_attempts)}"),
            door=lambda: FilesOutside(store, tmp_path),
            fingerprint=fingerprint(code),
        )
        with performing(inside):
            yield inside

    return attempt


def fingerprint(code: str) -> Digest:
    return digest_bytes(code.encode())

"""A store on disk for each test, without the flushes that only a power loss would miss."""

from __future__ import annotations

from pathlib import Path

import pytest

from noria.adapters.folder import FolderStore
from noria.artifacts import Artifacts


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(FolderStore(tmp_path / "store", durable=False), scratch=tmp_path / "scratch")

"""The local engine keeps the port's promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from noria.adapters.folder import FolderStore
from noria.adapters.local_engine import LocalEngine
from noria.testing.engine import EngineContract, Opened, Opener


def local(folder: Path) -> Opened:
    state = folder / ".noria"
    engine = LocalEngine(root=folder, project=folder, state=state, threads=1, cpus=2)
    return Opened(engine, FolderStore(state), state)


class TestLocalEngine(EngineContract):
    @pytest.fixture
    def opener(self) -> Opener:
        return local

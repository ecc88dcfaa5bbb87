"""A step under way, as a worker has it, for tests of what user code may call."""

from __future__ import annotations

from pathlib import Path

from noria.adapters.folder import FolderStore
from noria.adapters.outside import FilesOutside
from noria.adapters.slots import FolderSlots
from noria.artifacts import Artifacts
from noria.inside.context import Inside
from noria.inside.spool import Spool


def step_in(project: Path, role: str = "data", store: FolderStore | None = None) -> Inside:
    """A step of the project in a folder, not yet begun."""
    state = project / ".noria"
    kept = store or FolderStore(state, durable=False)
    return Inside(
        run="m/1",
        step="rows",
        project=project,
        artifacts=Artifacts(kept, scratch=state / "scratch"),
        slots=FolderSlots(state),
        spool=Spool(state / "spool", "rows"),
        door=lambda: FilesOutside(kept, state),
        role=role,
    )

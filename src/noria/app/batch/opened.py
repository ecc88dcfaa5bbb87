"""In a worker: a version as its service has it, ready to answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noria.errors import NoriaError

if TYPE_CHECKING:
    from noria.artifacts import Artifacts
    from noria.records.base import Digest
    from noria.records.versions import Version
    from noria.serving.served import Served


@dataclass(frozen=True)
class Root:
    """The `CodeTrees` of a worker, which stands in the version's tree already."""

    root: Path

    def materialise(self, tree: Digest) -> Path:
        return self.root


def open_served(version: Version, artifacts: Artifacts, root: Path, *, rows: int) -> Served:
    """By its compiled model alone where it has such a way, else by its graph: as `serving.loading` does, so that the
    answers are the service's. `rows`: the most that come at once. Raises whatever keeps it from answering."""
    from noria.serving.by_graph import Loader
    from noria.serving.by_model import direct_of, open_by_model

    path = direct_of(version)
    if path is not None:
        try:
            return open_by_model(version, path, artifacts.store, max_rows=rows)
        except (
            NoriaError
        ) as error:  # such as a library that this environment has not: the graph still answers
            _say("fast.unused", version=version.name, why=str(error))
    return Loader(artifacts, Root(root), _say, max_rows=rows).load(version)


def _say(event: str, /, **facts: object) -> None:
    """Among what the part's worker prints."""
    print(event, *(f"{name}={value}" for name, value in facts.items()))

"""All that pins a run besides its data and its parameters."""

from __future__ import annotations

from pathlib import Path

from noria.ports.objects import ObjectStore
from noria.ports.source import Git
from noria.records.sources import Provenance
from noria.source.capture import capture
from noria.source.environment import environment, listing
from noria.source.machine import machine


def provenance(project: Path, store: ObjectStore, git: Git, *, threads: int) -> Provenance:
    """Code, environment and machine of a run that starts now; the list of packages goes to the store. Raises what its
    three parts raise."""
    place = environment(project)
    store.put(listing(project, place))
    return Provenance(
        source=capture(project, store, git),
        environment=place,
        machine=machine(threads),
    )

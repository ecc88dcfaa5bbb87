"""An engine whose workers keep to the code that a run began with."""

from __future__ import annotations

from dataclasses import replace

from noria.ports.engine import Engine, Job, Relay
from noria.records.base import Digest


class Held(Relay):
    """Every job names the files that the run's code was read from, so that a worker which
    has imported others gives no result under this code's name (`SOURCE-CHANGED`), whenever it was started."""

    def __init__(self, engine: Engine, files: dict[str, Digest]) -> None:
        super().__init__(engine)
        self._files = files

    def submit(self, job: Job) -> None:
        self._engine.submit(replace(job, files=self._files))

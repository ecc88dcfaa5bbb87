"""One worker process for all that a watched version's code is asked: to start one takes seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noria.ports.engine import Engine
from noria.records.base import Digest
from noria.records.versions import Version

if TYPE_CHECKING:
    from noria.app.wiring import App


class VersionWorker:
    """Started when it is first asked for, and kept for later versions with the same code. Close it."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._code: Digest | None = None
        self._engine: Engine | None = None

    def of(self, version: Version) -> Engine:
        """Raises what `App.code` and `App.engine` raise."""
        if self._engine is None or self._code != version.code:
            self.close()
            self._engine = self._app.engine(self._app.code(version.code))
            self._code = version.code
        return self._engine

    def close(self) -> None:
        """End the process; the next question starts another."""
        if self._engine is not None:
            engine, self._engine = self._engine, None
            engine.close()

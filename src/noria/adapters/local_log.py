"""What a task prints, handed on while it runs and kept when it is over."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable

from noria.ports.objects import ObjectStore, Writer
from noria.records.base import Digest

TAIL = 20  # lines of a dead worker's output in its error
LINE = 1 << 16  # bytes after which a line without an end is handed on


class Log:
    """A task's captured output: handed on line by line, and stored as it came, never whole in memory."""

    def __init__(self, store: ObjectStore, on_output: Callable[[str], None] | None) -> None:
        self.tail: deque[str] = deque(maxlen=TAIL)
        self._store = store
        self._on_output = on_output
        self._open = contextlib.ExitStack()
        self._writer: Writer | None = None
        self._rest = b""

    def feed(self, part: bytes) -> None:
        if self._writer is None:
            self._writer = self._open.enter_context(self._store.writer())
        self._writer.write(part)
        *lines, self._rest = (self._rest + part).split(b"\n")
        if len(self._rest) > LINE:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._say(line)

    def close(self) -> Digest | None:
        """Its digest, once it is durable; None when nothing was said."""
        if self._rest:
            self._say(self._rest)
            self._rest = b""
        self._open.close()
        return self._writer.digest if self._writer else None

    def discard(self) -> None:
        """Store nothing."""
        with contextlib.suppress(_Discarded), self._open:
            raise _Discarded

    def _say(self, line: bytes) -> None:
        """A progress bar draws itself anew after each carriage return: its last state counts."""
        text = line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace")
        self.tail.append(text)
        if self._on_output is not None:
            self._on_output(text)


class _Discarded(Exception):
    """Ends a writer's block without a result."""

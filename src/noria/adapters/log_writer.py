"""The prediction log's writer: what it took is handed to the kernel in one write, before any of the answers leaves."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from noria.adapters import log_segment as segments
from noria.errors import Unavailable
from noria.ports.serving import BATCH, REQUEST, Answered, Layout
from noria.records.predictions import ROWS, prediction_ids, segment_name

BIGGEST = 128 * 2**20  # bytes of a segment: a reader that catches up holds one in memory
OLDEST = 24 * 3600.0  # s; retention drops whole segments, so none may span weeks


@dataclass(eq=False)
class LogRefused(Unavailable):
    code: ClassVar[str] = "LOG-UNWRITABLE"
    what: ClassVar[str] = "the answer could not be logged ({reason}), so it was not given"
    next: ClassVar[str] = "ask again later; the operator: make room or mend the disk under the state folder"
    reason: str


class LogWriter:
    """The `PredictionLog` of one model in this process. For one thread, but for `sync`."""

    def __init__(self, root: Path, model: str, *, synced: bool = False) -> None:
        """`synced`: `sync` is called again and again, and a segment stays open until one comes after its last row."""
        self._synced = synced
        self._full: list[int] = []  # finished segments that no `sync` has reached yet
        self._lock = threading.Lock()  # of the descriptors, which `sync` takes in another thread
        self._folder = root / model
        self._model = model
        self._open: _Open | None = None
        self._pending: list[bytes] = []
        self._rows = 0
        self._owed: LogRefused | None = None
        self._closed_bytes = 0
        self._last = 0

    @property
    def size(self) -> int:
        return self._closed_bytes + (self._open.end if self._open else 0)

    def place(self, layout: Layout, rows: int) -> tuple[str, int]:
        open_now = self._segment(layout, rows)
        return open_now.name, open_now.rows + self._rows

    def take(self, layout: Layout, kind: int, rows: int, payload: bytes) -> tuple[str, int]:
        """Take a request's rows; segment and row of the first, from which their ids follow. Nothing is written yet.

        Raises `LogRefused` where a new segment cannot be begun.
        """
        open_now = self._segment(layout, rows)
        first = open_now.rows + self._rows
        self._pending.append(segments.frame(kind, rows, first, payload))
        self._rows += rows
        return open_now.name, first

    def hand_over(self) -> None:
        """Hand all that was taken to the kernel. Raises `LogRefused`; then none of it is in the log."""
        if self._owed is not None:
            owed, self._owed = self._owed, None
            self._pending, self._rows = [], 0
            raise owed
        if not self._pending:
            return
        data, rows = b"".join(self._pending), self._rows
        self._pending, self._rows = [], 0
        open_now = self._open
        if open_now is None:
            raise LogRefused(reason="closed")
        try:
            open_now.write(data, rows)
        except OSError as error:
            self._drop_if_broken()
            raise _refused(error) from error

    def sync(self) -> None:
        """Put what was handed over on the disk: it then outlives a loss of power. From any thread."""
        with self._lock:
            full, self._full = self._full, []
            open_now = [os.dup(self._open.descriptor)] if self._open is not None else []
        try:
            for descriptor in (*full, *open_now):
                os.fdatasync(descriptor)
        except OSError as error:
            raise _refused(error) from error
        finally:
            for descriptor in (*full, *open_now):
                os.close(descriptor)

    def close(self) -> None:
        """Finish the segment; idempotent."""
        try:
            self.hand_over()
        except LogRefused as error:
            self._owed = error  # whoever waits for these rows hears of it at the next `hand_over`
        if self._open is not None:
            self._closed_bytes += self._open.end
            with self._lock:
                open_now, self._open = self._open, None
                open_now.finish()
                if self._synced:
                    self._full.append(open_now.descriptor)
                else:
                    os.close(open_now.descriptor)

    def append(self, answered: Answered) -> Sequence[str]:
        """The ids of a batch's rows, which now survive the death of this process. Raises `LogRefused`."""
        segment, first = self.take(*framed(answered))
        self.hand_over()
        return list(prediction_ids(segment, first, answered.rows.num_rows))

    def _segment(self, layout: Layout, rows: int) -> _Open:
        """The open segment; a new one where that is of another layout, or full or old and nothing waits for it."""
        open_now = self._open
        fits = open_now is not None and (open_now.layout is layout or open_now.layout == layout)
        if open_now is not None and fits and (self._pending or open_now.takes(self._rows + rows)):
            return open_now
        self.close()
        try:
            self._open = _Open(self._folder, self._next_name(), self._model, layout)
        except OSError as error:
            raise _refused(error) from error
        return self._open

    def _next_name(self) -> str:
        self._last = max(self._last + 1, time.time_ns() // 1_000_000)
        return segment_name(self._last, secrets.randbits(20))

    def _drop_if_broken(self) -> None:
        """A segment that could not be cut back to its last whole frame is left: its tail is torn, no more."""
        if self._open is not None and self._open.broken:
            self._closed_bytes += self._open.end
            with self._lock:
                os.close(self._open.descriptor)
                self._open = None


class Unlogged:
    """The `PredictionLog` of a service that keeps none: its ids name no row, so labels can come by key alone."""

    size = 0

    def __init__(self) -> None:
        self._name = segment_name(time.time_ns() // 1_000_000, secrets.randbits(20))
        self._rows = 0

    def place(self, layout: Layout, rows: int) -> tuple[str, int]:
        return self._name, self._rows

    def take(self, layout: Layout, kind: int, rows: int, payload: bytes) -> tuple[str, int]:
        first, self._rows = self._rows, self._rows + rows
        return self._name, first

    def hand_over(self) -> None:
        pass

    def sync(self) -> None:
        pass

    def close(self) -> None:
        pass


class _Open:
    """A segment that is being written. Its lock tells readers that its writer lives."""

    def __init__(self, folder: Path, name: str, model: str, layout: Layout) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.layout = layout
        self.rows = 0
        self.end = 0
        self.broken = False
        self.opened = time.monotonic()
        path = folder / (name + segments.SUFFIX)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self.descriptor = os.open(path, flags, 0o600)
        try:
            fcntl.flock(
                self.descriptor, fcntl.LOCK_EX
            )  # a reader that asks whether we live holds it for moments
            told = segments.Header(
                format=segments.FORMAT, model=model, version=layout.version, request=layout.request
            )
            self.write(segments.header(told, layout.schema), 0)
        except OSError:
            os.close(self.descriptor)
            path.unlink(missing_ok=True)  # it holds no row
            raise

    def takes(self, rows: int) -> bool:
        young = time.monotonic() - self.opened < OLDEST
        return self.end < BIGGEST and young and self.rows + rows <= ROWS

    def write(self, data: bytes, rows: int) -> None:
        """All of it, or OSError and nothing of it; `broken` when nothing may follow in this segment."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self.descriptor, view) :]
        except OSError:
            try:
                os.ftruncate(self.descriptor, self.end)
            except OSError:
                self.broken = True
            raise
        if (
            os.fstat(self.descriptor).st_nlink == 0
        ):  # somebody removed the folder, and with it what is written here
            self.broken = True
            raise FileNotFoundError(errno.ENOENT, "the segment was removed")
        self.end += len(data)
        self.rows += rows

    def finish(self) -> None:
        with suppress(OSError):  # without its end mark it reads the same, and every row is in it already
            os.write(self.descriptor, segments.frame(segments.END, 0, self.rows, b""))


def framed(answered: Answered) -> tuple[Layout, int, int, bytes]:
    """A batch as `LogWriter.take` has it."""
    rows = answered.rows
    request = sum(name.startswith(REQUEST) for name in rows.schema.names)
    layout = Layout(answered.version, request, rows.schema.serialize().to_pybytes())
    return layout, BATCH, rows.num_rows, rows.serialize().to_pybytes()


def _refused(error: OSError) -> LogRefused:
    return LogRefused(reason=errno.errorcode.get(error.errno or 0, "EIO"))

"""What could not be answered while versions are compared, beside the prediction log, which holds answers alone.

A line of JSON each, in one file a model, appended to by every worker. Nothing is written on the way of an answer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from noria.ports.serving import Failure

LARGEST = 64 * 2**20  # bytes: half a million failures decide whatever there is to decide
MODES = 0o600  # units are in it

_decoder = msgspec.json.Decoder(Failure)


class FailureLog:
    """A model's. For many processes."""

    def __init__(self, state: Path, model: str) -> None:
        self._path = state / "failures" / f"{model}.jsonl"

    def note(self, failure: Failure) -> None:
        """Append one, which survives this process. Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODES)
        try:
            if os.fstat(file).st_size < LARGEST:
                os.write(file, msgspec.json.encode(failure) + b"\n")  # in one call: lines do not mix
        finally:
            os.close(file)

    def read(self) -> Iterator[Failure]:
        """All of them, in the order in which they were written. What a full disk has cut is passed over."""
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        for line in lines:
            try:
                yield _decoder.decode(line)
            except msgspec.MsgspecError:
                continue

    def clear(self) -> None:
        """Forget them: another comparison begins."""
        self._path.unlink(missing_ok=True)

"""Outlines of files that were read before, so that who reads the very same bytes again parses nothing.

One small file each, in a project's own state, under the digest of all that decides what is in it: the bytes that were
read, the code that reads them, and Python. So a changed file, another Noria or another Python ask for another name. What
is torn, damaged or of another making is thrown away and read anew, and losing all of it costs time alone.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import msgspec

from noria.pipeline.outline import Outline
from noria.records.base import Digest, digest_bytes, digest_of

FOLDER = "outlines"  # in a project's state
LARGEST = (
    64 * 2**20
)  # bytes of all of them: some 180,000 functions; beyond, those go that were unused the longest
READERS = ("noria.pipeline.syntax", "noria.pipeline.constants", "noria.pipeline.outline")
"""Modules that decide what an outline holds."""
DAY = 86_400.0  # s; that one is in use is noted once a day, so that reading writes nothing otherwise
SEAL = 64  # hex digits before an outline, of it and its name

_decode = msgspec.msgpack.Decoder(Outline).decode
_encode = msgspec.msgpack.Encoder().encode


class Outlines:
    """See above. Several processes may read and write at once: each file is put in place as a whole."""

    def __init__(self, state: Path) -> None:
        self._folder = state / FOLDER

    def get(self, content: Digest) -> Outline | None:
        """The outline of a file with this content; None when there is none, or none to believe."""
        path = self._folder / _name(content)
        try:
            sealed = path.read_bytes()
        except OSError:
            return None
        body = sealed[SEAL:]
        if sealed[:SEAL] != _seal(path.name, body):
            _drop(path)
            return None
        _note_use(path)
        return _decode(body)

    def put(self, outlines: Mapping[Digest, Outline]) -> None:
        """Keep these, by the content of their files. What cannot be written is read again the next time."""
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            for content, outline in outlines.items():
                path = self._folder / _name(content)
                body = _encode(outline)
                temporary = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}-{time.time_ns():x}")
                temporary.write_bytes(_seal(path.name, body) + body)
                temporary.replace(path)
            self._make_room()

    def _make_room(self) -> None:
        """Of too much, half goes: those of files that nobody has read for the longest."""
        files = sorted(self._files())
        over = sum(size for _, size, _ in files) - LARGEST
        if over <= 0:
            return
        over += LARGEST // 2
        for _, size, path in files:
            if over > 0:
                _drop(path)
                over -= size

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        for path in self._folder.iterdir():
            with suppress(OSError):  # another process makes room, too
                stat = path.stat()
                yield stat.st_mtime, stat.st_size, path


def _name(content: Digest) -> str:
    return digest_of([_making(), content]).removeprefix("blake3:")


@cache
def _making() -> Digest:
    """Of what makes an outline out of a file's bytes."""
    return digest_of([sys.version, *(digest_bytes(_code_of(name)) for name in READERS)])


def _code_of(name: str) -> bytes:
    """The bytes that a module of Noria is loaded from: a file's, or those of an archive's part."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"{name} comes from nowhere")
    content: bytes = cast("Any", spec.loader).get_data(
        spec.origin
    )  # each loader of files and archives has it
    return content


def _seal(name: str, body: bytes) -> bytes:
    """Of an outline under its name: an outline that was copied to another name is none."""
    return digest_bytes(name.encode() + body).removeprefix("blake3:").encode()


def _note_use(path: Path) -> None:
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > DAY:
            path.touch()


def _drop(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


_making()  # now, with the readers just loaded: their files may be another Noria's by the time that it is asked for

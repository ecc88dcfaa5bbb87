"""Rows answered by a version's own code, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from noria.artifacts.tables import to_arrow
from noria.client.errors import AnswerFailed, Unsafe
from noria.client.place import Place
from noria.ports.surroundings import surroundings
from noria.records.base import Record
from noria.records.versions import Version

if TYPE_CHECKING:
    import polars as pl

SAID = 2000  # characters of what a process that died has printed last


class Refused(Record):
    """Why there is no answer."""

    why: str
    fix: str


def predict(place: Place, version: Version, rows: Any, *, unsafe: bool) -> pl.DataFrame:
    """A table of answers, row by row beside the rows."""
    import polars as pl
    import pyarrow.feather as feather

    pickled = [name for name, artifact in version.graph.frozen.items() if artifact.unsafe]
    if pickled and not unsafe:
        raise Unsafe(name=f"{version.name} ({', '.join(pickled)})", fix="version.predict(rows, unsafe=True)")
    with tempfile.TemporaryDirectory(prefix="noria-") as scratch:
        asked, answered = Path(scratch, "asked.arrow"), Path(scratch, "answered.arrow")
        feather.write_feather(to_arrow(rows), str(asked), compression="uncompressed")
        _ask(place, version, scratch)
        frame = pl.from_arrow(feather.read_table(str(answered), memory_map=False))
    assert isinstance(frame, pl.DataFrame)
    return frame


def _ask(place: Place, version: Version, scratch: str) -> None:
    """Have the worker answer what lies in `scratch`; what it prints goes to stderr, as a step's would."""
    words = [sys.executable, "-m", "noria.client.answer", str(place.project), version.name, scratch]
    done = subprocess.run(words, env=surroundings(os.environ), cwd=scratch, capture_output=True, check=False)
    if done.returncode == 0:
        sys.stderr.write((done.stdout + done.stderr).decode(errors="replace"))
        return
    refusal = Path(scratch, "refused.json")
    if refusal.exists():
        found = msgspec.json.decode(refusal.read_bytes(), type=Refused)
        raise AnswerFailed(version=version.name, why=found.why, fix=found.fix)
    printed = done.stderr.decode(errors="replace")[-SAID:].strip()
    raise AnswerFailed(
        version=version.name,
        why=f"its process ended with {done.returncode}{f' after printing: {printed}' if printed else ''}",
        fix="see whether the machine has the memory and the packages that the version needs",
    )

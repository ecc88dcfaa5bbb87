"""A batch: many rows out of files, answered by one version into files; what it is, how far it has come, what came of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from noria.records.base import Digest, Record, digest_of
from noria.records.predictions import segment_name
from noria.records.sources import Environment

OnRefused = Literal["fail", "null"]
"""What is done with a row that the signature refuses: the part fails, or the row's answer is null and says why."""

PREFIX = "batch-"


class InputFile(Record, kw_only=True):
    """A file of the input, as it was when the batch began."""

    path: str
    """Below the input's root."""
    size: int
    tag: str
    """What says whether its bytes are still the same: BLAKE3 of a local file, the service's own tag in a bucket."""
    rows: int | None = None
    """None where only reading it to its end would tell."""


class Piece(Record, kw_only=True):
    """A stretch of one file that is answered into one part."""

    part: str
    """The name of the file that it makes: the same whenever the batch is done again."""
    file: int
    """Which of the batch's files, from 0."""
    groups: tuple[int, int] | None = None
    """Its row groups, from the first to before the second; None: the whole file."""
    first: int = 0
    """The number of its first row in the file."""


class Work(Record, kw_only=True):
    """All that decides what a batch writes. Where its digest is the same, the same parts are."""

    version: str
    run: str
    code: Digest
    input: str
    files: tuple[InputFile, ...]
    pieces: tuple[Piece, ...]
    columns: tuple[str, ...] = ()
    """Columns of the input that are carried over."""
    on_refused: OnRefused = "fail"
    batch_rows: int

    @property
    def digest(self) -> Digest:
        return digest_of(self)


class Begun(Record, kw_only=True):
    """What lies in the output while a batch is not done."""

    id: str
    began: datetime
    work: Work


class PartDone(Record, kw_only=True):
    """A part that lies whole in the output."""

    part: str
    rows: int
    size: int
    digest: Digest
    refused: int = 0
    nulls: dict[str, int] = {}
    """Nulls that were answered, by column of the request."""
    unknown: dict[str, int] = {}
    """Values that training never saw, by column of categories."""
    seconds: float = 0.0
    memory: int = 0
    """The most bytes that its worker had had in memory until then."""


class Manifest(Record, kw_only=True):
    """What came of a batch; lies beside its parts as `_noria.json`."""

    id: str
    work: Work
    commit: str | None = None
    environment: Environment
    began: datetime
    finished: datetime
    parts: tuple[PartDone, ...]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def refused(self) -> int:
        return sum(part.refused for part in self.parts)


class Batch(Record, kw_only=True):
    """What the records know of a finished batch; its rows are in its own files, which the manifest names by digest."""

    id: str
    model: str
    version: int
    began: datetime
    finished: datetime
    input: str
    output: str
    files: int
    parts: int
    rows: int
    refused: int = 0
    manifest: Digest
    """Of the bytes of `_noria.json` in the output."""


def batch_id(moment: datetime, salt: int) -> str:
    """Sorts by time; `salt` is random."""
    return PREFIX + segment_name(int(moment.timestamp() * 1000), salt)

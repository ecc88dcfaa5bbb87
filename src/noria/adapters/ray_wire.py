"""What a driver and the nodes of a Ray cluster say to one another: MessagePack, never pickles of our own."""

from __future__ import annotations

import msgspec

from noria.records.base import Digest, Record
from noria.records.needs import Needs
from noria.records.tasks import Done, Raised, Task


class Ground(Record, kw_only=True):
    """What a worker stands on: the same for all jobs of one engine."""

    tree: Digest | None = None
    """The source tree, laid out from the object store; None: `root` is on the node's own disk, for it is the driver's."""
    root: str = ""
    project: str = ""
    objects: str
    """The object store's URL."""
    state: str
    """The driver's own state folder, for workers on its node."""
    driver: str
    """The driver's node."""
    threads: int
    variables: dict[str, str] = {}
    """Environment that the project hands on to the nodes."""


class Errand(Record, kw_only=True):
    """One job, as a node is told of it."""

    id: str
    task: Task
    needs: Needs
    python: str | None = None
    timeout: float | None = None
    files: dict[str, Digest] = {}
    ground: Ground


class Began(Record, tag="began"):
    node: str


class Line(Record, tag="line"):
    text: str


class Figures(Record, tag="figures"):
    """What a step has logged since: bytes of one spool, by its name in the state folder."""

    spool: str
    data: bytes


class Finished(Record, tag="finished"):
    done: Done


class Failed(Record, tag="failed"):
    raised: Raised


Word = Began | Line | Figures | Finished | Failed

encode_errand = msgspec.msgpack.Encoder().encode
decode_errand = msgspec.msgpack.Decoder(Errand).decode
encode_words = msgspec.msgpack.Encoder().encode
decode_words = msgspec.msgpack.Decoder(list[Word]).decode

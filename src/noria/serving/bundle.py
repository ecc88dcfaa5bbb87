"""All that a worker is told: one file, written by the keeper, so that a worker needs neither records nor policies."""

from __future__ import annotations

from noria.records.base import Json, Record
from noria.records.policy import Durability, LogPolicy, TlsPolicy
from noria.records.versions import Version

FORMAT = 1


class Bundle(Record, kw_only=True):
    """What one version's workers answer with, and how."""

    format: int = FORMAT
    version: Version
    follows: str
    """The alias or number that the service follows."""
    state: str
    """The project's state folder: objects, source trees and the prediction log are under it."""
    objects: str | None = None
    """Where objects are kept, if not in the state folder."""
    log_schema: bytes
    """Arrow's, of the prediction log's rows, so that a worker without Arrow can write them."""
    sample: tuple[dict[str, Json], ...] = ()
    """A few rows of the training data as requests would send them."""
    hub: str
    """The keeper's own Unix socket, for what is no business of one version: labels, metrics."""
    max_body: int
    max_rows: int
    deadline: float
    """Seconds that a request may wait for its turn."""
    patience: float = 1.0
    """Seconds that a challenger has for an answer."""
    durability: Durability
    by_column: bool = False
    """Whether who keeps the log reads large requests by column; a keeper of an older release says nothing of it."""
    log: LogPolicy = LogPolicy()
    """What of the rows reaches the disk; the secret of its hashes is in the state folder."""
    body_seconds: float = 30.0
    """For a whole request to come."""
    traces: str = ""
    """The collector's address, or `env` for what OpenTelemetry's own variables say; empty: nothing is traced."""
    grpc: str = ""
    """Where to answer over gRPC as well, as `127.0.0.1:8118`; nowhere for none."""
    access: str = ""
    """The file in which the keeper keeps the tokens that hold; none: whoever reaches the service may ask."""
    tls: TlsPolicy | None = None
    """Certificate and key, with absolute paths."""
    shares: tuple[str, ...] = ()
    """All models of its service, where it has several: then a door accepts for all of them, over gRPC as well."""


class Nobody(Record):
    """Stands where others have a version."""

    model: str = ""
    number: int = 0
    name: str = "the door"


class Entrance(Record, kw_only=True):
    """What the door of a service with several models is told: it answers with none of them."""

    format: int = FORMAT
    version: Nobody = Nobody()
    hub: str
    max_body: int
    deadline: float
    body_seconds: float = 30.0
    grpc: str = ""
    models: tuple[str, ...]
    """All of them, so that a token for any of them is known to be for this service."""
    access: str = ""
    tls: TlsPolicy | None = None

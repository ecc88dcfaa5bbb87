"""A project's policy, parsed from noria.toml once, at the edge."""

from __future__ import annotations

from typing import Literal

from noria.records.base import Json, Record
from noria.records.gates import Gate

DAY = 86_400.0  # s


class MonitorPolicy(Record):
    """How the champion's risk is watched."""

    false_alarm: float = 0.01
    """The chance of any false alarm over a version's whole life."""
    block: str = "1d"
    tolerance: float = 0.02
    """In the loss's own unit: what a user would not mind."""
    loss: str | None = None
    """The loss that the tolerance names, where it names one."""
    maturity: float | None = None
    """Seconds after a block's end before it is scored; None: the version's own label delay."""


class RetrainPolicy(Record):
    """What starts a run by itself."""

    on: tuple[Literal["performance", "schedule"], ...] = ()
    every: float | None = None
    """Seconds between two runs at most; None: no schedule."""
    cooldown: float = DAY
    """Seconds after a run before an alarm starts the next."""


class ModelPolicy(Record):
    """One `[model.x]` table."""

    name: str
    pipeline: str
    parameters: dict[str, dict[str, Json]] = {}
    gates: tuple[Gate, ...] = ()
    promotion: Literal["automatic", "manual"] = "automatic"
    monitor: MonitorPolicy = MonitorPolicy()
    retrain: RetrainPolicy = RetrainPolicy()


class ServicePolicy(Record):
    """Where a service listens, and what it refuses."""

    host: str = "127.0.0.1"
    port: int = 8117
    max_body: int = 16 * 2**20
    """Bytes of one request's body."""
    max_rows: int = 10_000
    """Rows of one request."""


class Policy(Record):
    """A whole noria.toml."""

    models: tuple[ModelPolicy, ...]
    service: ServicePolicy = ServicePolicy()
    seed: int = 0
    threads: int | None = None
    """Threads of each worker; None: as many as the machine has cores."""

"""A project's policy, parsed from noria.toml once, at the edge."""

from __future__ import annotations

from typing import Literal

from noria.records.base import Json, Record
from noria.records.channels import AlarmPolicy
from noria.records.gates import Gate
from noria.records.rollouts import RolloutPolicy

DAY = 86_400.0  # s
MOST_WORKERS = 256  # of one version; more than any machine of this decade has cores to spare


class MonitorPolicy(Record):
    """How the champion's risk is watched."""

    false_alarm: float | None = None
    """The chance of any false alarm over a version's whole life; None: a part of `[alarms] false_alarm`."""
    block: str = "1d"
    tolerance: float = 0.02
    """In the loss's own unit: what a user would not mind."""
    loss: str | None = None
    """The loss that the tolerance names, where it names one."""
    drift: float = 0.1
    """How far a distribution may move from the training data's before anybody minds: Kolmogorov-Smirnov or total variation."""
    segments: tuple[str, ...] = ()
    """Columns whose values are segments that are always watched."""
    search: bool = True
    """Whether more segments are looked for."""
    strata: str = "auto"
    """What blocks must have in common to be compared: "hour of week", "hour", "weekday" or "none"; "auto": of blocks under a day, as
    fine as the training data bear."""
    latency_ms: float | None = None
    """What an answer may take; None: not watched."""
    slow: float = 0.01
    """The share of answers that may take longer."""
    errors: float = 0.01
    """The share of requests that may get no answer, by no fault of their callers."""
    missing: float = 0.1
    """How much a column's share of missing values may be over that of the worst block of the training data."""
    outside: float = 0.05
    """The share of a column that may lie far beyond what training had seen, or be of categories that it had not seen."""
    volume: float = 0.5
    """How far the rows of a block may be from all of the last four weeks, as a share."""
    maturity: float | None = None
    """Seconds after a block's end before it is scored; None: the version's own label delay."""


class RetrainPolicy(Record):
    """What starts a run by itself."""

    on: tuple[Literal["drift", "performance", "schedule"], ...] = ()
    every: float | None = None
    """Seconds between two runs at most; None: no schedule."""
    cooldown: float = DAY
    """Seconds after a run before an alarm starts the next."""


class DataPolicy(Record, kw_only=True):
    """What new data is held to before any step reads it: limits of change beside the champion's own data. A check
    that is None is not made; `canary` says what a finding does."""

    canary: Literal["refuse", "warn", "off"] = "refuse"
    missing: float | None = 0.1
    """How much a column's share of missing values may rise, as a difference of shares."""
    range: float | None = 1.0
    """How far numbers may leave the old range, in widths of that range."""
    categories: float | None = 0.05
    """The share of rows that may hold categories never seen before."""
    volume: float | None = 0.5
    """How much the rows in a unit of time may fall or rise, as a share of what they were."""
    leakage: float | None = 0.99999
    """The association of one visible column with the label from which it counts as the label itself."""
    overlap: float | None = 0.0
    """The share of the holdout's rows that may be among those that the model was trained on, by their key."""
    time_order: Literal["refuse", "warn", "off"] = "warn"
    """What training on rows that are later than the holdout's first does."""
    ignore: tuple[str, ...] = ()
    """Columns that are not looked at."""


class ModelPolicy(Record):
    """One `[model.x]` table."""

    name: str
    pipeline: str
    parameters: dict[str, dict[str, Json]] = {}
    gates: tuple[Gate, ...] = ()
    promotion: Literal["automatic", "manual"] = "automatic"
    monitor: MonitorPolicy = MonitorPolicy()
    retrain: RetrainPolicy = RetrainPolicy()
    data: DataPolicy = DataPolicy()
    rollout: RolloutPolicy | None = None
    """None: a candidate that passes takes over at once."""


class StorePolicy(Record):
    """Where records and objects are kept; None: in the project's own `.noria`."""

    records: str | None = None
    """`postgresql://host/database`; credentials stand in the environment or in libpq's files."""
    objects: str | None = None
    """`s3://bucket/prefix`, `gs://...`, `az://...`; credentials and endpoint stand in the environment."""


class EnginePolicy(Record):
    """Where steps run."""

    kind: Literal["local", "ray"] = "local"
    cpus: int | None = None
    """Cores for steps; None: all that this process may use. Of `ray`: as the cluster says."""
    gpus: int | None = None
    """None: those that the machine shows."""
    memory: int | None = None
    """Bytes for steps that declare memory; None: the machine's."""
    address: str | None = None
    """Of `ray`: an existing cluster's; None: RAY_ADDRESS, else one is started on this machine."""
    grows: bool = False
    """Whether the cluster adds nodes when they are asked for: a job that none has room for then waits."""
    variables: tuple[str, ...] = ()
    """Of `ray`: which variables of this environment go to the nodes, as patterns: `AWS_*`."""


class EnvironmentPolicy(Record):
    """Which interpreter runs the steps: `current` is the one that runs noria; `locked` one that is built from the
    lock file; `auto` the current one where it holds just what the lock says, else a built one."""

    build: Literal["auto", "current", "locked"] = "auto"


class KeepPolicy(Record):
    """What `noria gc` keeps beside every version that an alias names, and every unfinished run."""

    runs: int = 20
    """The newest runs of each model."""
    seconds: float = 30 * DAY
    """Younger runs and versions."""


Loading = Literal["asked", "start"]
Durability = Literal["sync", "async", "off"]


class LogPolicy(Record):
    """What the prediction log holds, and how long. `redact` and `hash` name columns of requests."""

    keep: float | None = None
    """Seconds after a request; None: for ever."""
    sample: float = 1.0
    """The share of rows that is kept; an id's own hash decides."""
    redact: tuple[str, ...] = ()
    """Columns that are null in the log."""
    hash: tuple[str, ...] = ()
    """Columns of which the log holds a keyed hash."""

    @property
    def plain(self) -> bool:
        """Whether rows are logged as they come."""
        return self.sample == 1.0 and not self.redact and not self.hash


class TlsPolicy(Record, kw_only=True):
    """Files in PEM, looked for from the project's folder; the first two are read again when they change."""

    certificate: str
    """With those between it and the root, in order."""
    key: str
    client_ca: str | None = None
    """Who must have signed a caller's own certificate; None: callers need none."""


class ServicePolicy(Record):
    """Where a service listens, and what it refuses."""

    host: str = "127.0.0.1"
    port: int = 8117
    max_body: int = 16 * 2**20
    """Bytes of one request's body."""
    max_rows: int = 10_000
    """Rows of one request."""
    workers: int = 1
    """Processes that answer with one version."""
    spare: bool = True
    """Whether one more process is kept loaded where there is but one: it takes over at once when that dies."""
    deadline: float = 10.0
    """Seconds that a request may wait for its turn; then nobody works on it any more."""
    patience: float = 1.0
    """Seconds that a challenger has for an answer, at most half of the deadline; then the champion answers."""
    grpc_port: int | None = None
    """Where the service answers over gRPC as well; None: it does not."""
    traces: str = ""
    """Where traces of requests are sent by OTLP over HTTP; empty: where OpenTelemetry's own variables say, or nowhere."""
    durability: Durability = "async"
    """`sync`: an answer's row is on the disk before it leaves; `async`: it survives the process, and the power's loss
    takes at most the last second or two; `off`: no row is logged."""
    log: LogPolicy = LogPolicy()
    load: Loading = "asked"
    """When a service of several models loads them: each when it is first asked for, or all at the start."""
    idle: float | None = None
    """Seconds after which a service of several models unloads one that nobody asks; None: never."""
    auth: Literal["tokens", "off"] = "tokens"
    """`tokens`: asked for as soon as the project has made one; `off`: never, on loopback alone."""
    tls: TlsPolicy | None = None
    """None: plain HTTP."""


class Policy(Record):
    """A whole noria.toml."""

    models: tuple[ModelPolicy, ...]
    service: ServicePolicy = ServicePolicy()
    alarms: AlarmPolicy = AlarmPolicy()
    store: StorePolicy = StorePolicy()
    engine: EnginePolicy = EnginePolicy()
    environment: EnvironmentPolicy = EnvironmentPolicy()
    keep: KeepPolicy = KeepPolicy()
    seed: int = 0
    threads: int | None = None
    """Threads of each worker; None: as many as the machine has cores."""

"""Runs and their steps."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from noria.records.artifacts import Artifact, Column
from noria.records.base import Digest, Json, Record
from noria.records.cards import Exhibit
from noria.records.sources import Provenance

TriggerKind = Literal["person", "commit", "schedule", "performance", "trial", "proof", "drill"]
"""`trial`: one of `noria tune`; `proof`: a rebuild by `noria reproduce`. Neither makes a version."""


class Trigger(Record):
    """What started a run."""

    kind: TriggerKind = "person"
    cause: str = ""
    """An alarm's id, a schedule's rule, a study and the trial's number: what a reader would ask for next."""

    @property
    def study(self) -> str:
        """Of a trial."""
        return self.cause.rpartition(" ")[0]


class NewRun(Record):
    """A run that somebody asks for; it has no number yet."""

    model: str
    as_of: datetime
    """Only rows whose label was known by then."""
    trigger: Trigger
    parameters: dict[str, dict[str, Json]]
    """Step name to hyperparameters, defaults filled in."""
    seed: int
    provenance: Provenance


class Run(Record):
    """A run that has begun: `delay/143`."""

    number: int
    started: datetime
    asked: NewRun

    @property
    def name(self) -> str:
        return f"{self.asked.model}/{self.number}"


class Fingerprint(Record):
    """What decides a step's result; its digest is the key of the cache."""

    code: Digest
    inputs: dict[str, Digest]
    parameters: dict[str, Json]
    environment: Digest
    seed: int = 0


class Ran(Record, tag="ran"):
    """A step was executed; `why` in a reader's words: `first run`, `code changed`, `input train changed`."""

    why: str


class Reused(Record, tag="reused"):
    """A step's outputs were taken from the run that made them."""

    run: str


class DataSource(Record, kw_only=True):
    """Something outside that a data step read, pinned: `noria reproduce` reads the very same."""

    kind: str
    """`files`, `delta` or `iceberg`."""
    name: str
    """As the step named it: a pattern or an address, without credentials."""
    version: str
    """A snapshot's id; for files, the digest of their names and bytes."""
    manifest: Digest | None = None
    """Of files: a `Manifest` record in the object store."""
    at: datetime | None = None
    """Of a table: when this snapshot was committed."""
    table: str = ""
    """Of a table: its own id. One that was made anew counts its versions anew."""


class DataVersion(Record, kw_only=True):
    """What a data step returned, after Noria kept the rows known at `as_of`."""

    digest: Digest
    rows: int
    dropped: int = 0
    """Rows left out because their label was not known at `as_of`."""
    columns: tuple[Column, ...]
    first: datetime | None = None
    last: datetime | None = None
    profile: Digest | None = None
    """A `Profile` record in the object store: what each column looks like."""
    files: int | None = None
    """Of what is no table: how many files it is."""
    sources: tuple[DataSource, ...] = ()
    """What it read through `noria.files` and its like; empty for what Noria could not see."""


class StepResult(Record):
    """A finished step of a run."""

    step: str
    role: str
    fingerprint: Fingerprint
    outputs: dict[str, Artifact]
    reason: Ran | Reused
    started: datetime
    seconds: float
    log: Digest | None = None
    """Captured stdout and stderr; None when there was no output."""
    data: DataVersion | None = None
    notes: tuple[str, ...] = ()
    """What the step wants to be said: a code digest that fell back to a module's, pickle, attempts that failed."""
    series: Artifact | None = None
    """Table of the figures that it logged: name, step, value, at."""
    card: tuple[Exhibit, ...] = ()
    tried: tuple[Digest, ...] = ()
    """Logs of the attempts that failed before, the oldest first; those that printed nothing are left out."""
    items: int | None = None
    """Of a fan-out's gathered result: how many items; their own results are `step[0]`, `step[1]`, ..."""
    where: str = ""
    """The machine that ran it, where it was not the driver's."""


class Succeeded(Record, tag="succeeded"):
    """All steps finished; `version` is None for a pipeline without `predict`."""

    version: int | None = None
    metrics: dict[str, float] = {}


class Failed(Record, tag="failed"):
    """A step failed; its log is kept."""

    step: str
    code: str
    error: str
    log: Digest | None = None


class Interrupted(Record, tag="interrupted"):
    """A person stopped the run, or what it ran on is gone; the next run goes on from its finished steps."""

    why: str = ""
    """What is gone; empty: a person stopped it."""


class Abandoned(Record, tag="abandoned"):
    """The driver died and what was asked since is another run."""

    by: str


class Pruned(Record, tag="pruned"):
    """A trial of a search that was given up early: its figures were weaker than those of the others."""


Outcome = Succeeded | Failed | Interrupted | Abandoned | Pruned

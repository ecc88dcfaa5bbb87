"""The tables. What is cut out of an event's change has a row of its own, stored once and never changed: its
canonical JSON in `body` (NULL: a tombstone), beside it the columns by which it is looked up.

Read by what makes and migrates the schema alone; the doors' statements are text.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from noria.adapters.sql.revision import REVISION

__all__ = ["REVISION", "metadata"]

# SQLite counts up an INTEGER primary key alone.
Serial = BigInteger().with_variant(Integer(), "sqlite")
DigestText = String(71)  # `blake3:` and 64 hex digits

# A constraint with a name can be altered by a later migration.
_NAMES = {"pk": "%(table_name)s_pk", "fk": "%(table_name)s_%(referred_table_name)s_fk"}

metadata = MetaData(naming_convention=_NAMES)
bookkeeping = MetaData()

schema_version = Table(  # as Alembic makes it
    "alembic_version",
    bookkeeping,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

# One row a model: what writers of one model's chain lock where a database has row locks.
models = Table("models", metadata, Column("name", Text, primary_key=True))

# `outline` is the canonical change with each part that has its own table replaced by its row's id.
events = Table(
    "events",
    metadata,
    Column("model", Text, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("digest", DigestText, nullable=False),
    Column("previous", DigestText, nullable=False),
    Column("hash", DigestText, nullable=False),
    Column("outline", Text),
    ForeignKeyConstraint(["model"], ["models.name"]),
    Index("events_kind", "model", "kind", "seq"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("model", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("finished", BigInteger),
    Column("outcome", Text),
    Column("body", Text),
    ForeignKeyConstraint(["model"], ["models.name"]),
    UniqueConstraint("model", "number", name="runs_number"),
    Index("runs_started", "started"),
)

# All results that a run ever reported of a step. `seq` and `place` are the order of those that hold: the event
# that last named one, and its place in there; NULL when a later result of the same step took its place.
steps = Table(
    "steps",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("model", Text, nullable=False),
    Column("run", Integer, nullable=False),
    Column("step", Text, nullable=False),
    Column("fingerprint", DigestText, nullable=False),
    Column("origin", Text, nullable=False),
    Column("seq", Integer),
    Column("place", Integer, nullable=False),
    Column("body", Text),
    ForeignKeyConstraint(["model", "run"], ["runs.model", "runs.number"]),
    Index("steps_run", "model", "run", "step"),
    Index("steps_fingerprint", "model", "fingerprint", "id"),
    Index("steps_step", "model", "step", "id"),
)

versions = Table(
    "versions",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("model", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("body", Text),
    ForeignKeyConstraint(["model"], ["models.name"]),
    UniqueConstraint("model", "number", name="versions_number"),
)

aliases = Table(
    "aliases",
    metadata,
    Column("model", Text, primary_key=True),
    Column("alias", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    ForeignKeyConstraint(["model", "number"], ["versions.model", "versions.number"]),
)

judgements = Table(
    "judgements",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("model", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("body", Text),
    ForeignKeyConstraint(["model", "version"], ["versions.model", "versions.number"]),
    Index("judgements_version", "model", "version", "id"),
)

blocks = Table(
    "blocks",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("model", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("body", Text),
    ForeignKeyConstraint(["model", "version"], ["versions.model", "versions.number"]),
    UniqueConstraint("model", "version", "start", name="blocks_start"),
)

# What was asked, block by block, before any label.
sights = Table(
    "sights",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("model", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("body", Text),
    ForeignKeyConstraint(["model", "version"], ["versions.model", "versions.number"]),
    UniqueConstraint("model", "version", "start", name="sights_start"),
)

# A monitor's states, one after the other; the newest holds.
states = Table(
    "states",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("model", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("body", Text),
    ForeignKeyConstraint(["model", "version"], ["versions.model", "versions.number"]),
    Index("states_version", "model", "version", "id"),
)

alarms = Table(
    "alarms",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("model", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("monitor", Text, nullable=False),
    Column("block", BigInteger, nullable=False),
    Column("body", Text),
    ForeignKeyConstraint(["model", "version"], ["versions.model", "versions.number"]),
    UniqueConstraint("model", "version", "monitor", "block", name="alarms_block"),
)

# Messages of alarms to channels: written with the event that they tell, tried until `state` is no more `waiting`.
outbox = Table(
    "outbox",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("model", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("channel", Text, nullable=False),
    Column("alarm", Text, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("ended", BigInteger),
    Column("error", Text, nullable=False),
    Column("body", Text, nullable=False),
    ForeignKeyConstraint(["model"], ["models.name"]),
    UniqueConstraint("model", "seq", "channel", name="outbox_message"),
    Index("outbox_due", "state", "due"),
)

# Each change of each rollout, one after the other; the newest of the newest holds.
rollouts = Table(
    "rollouts",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("model", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("body", Text),
    ForeignKeyConstraint(["model"], ["models.name"]),
    UniqueConstraint("model", "number", "revision", name="rollouts_revision"),
)

# All labels that ever arrived; the newest for a reference holds, the others are the history of its corrections.
feedback = Table(
    "feedback",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("model", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Column("label", Text),
    Column("known", BigInteger, nullable=False),
    Column("correction", Boolean, nullable=False),
    Column("received", BigInteger, nullable=False),
    ForeignKeyConstraint(["model"], ["models.name"]),
    Index("feedback_ref", "model", "by", "ref", "seq"),
    Index("feedback_seq", "model", "seq"),
)

services = Table(
    "services",
    metadata,
    Column("id", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("body", Text, nullable=False),
)

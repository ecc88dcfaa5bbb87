"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table("models", sa.Column("name", sa.Text, nullable=False), _primary("models", "name"))
    _events()
    _runs()
    _steps()
    _versions()
    _aliases()
    _judgements()
    _monitors()
    _outbox()
    _rollouts()
    _feedback()
    op.create_table(
        "services",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        _primary("services", "id"),
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("digest", sa.String(71), nullable=False),
        sa.Column("previous", sa.String(71), nullable=False),
        sa.Column("hash", sa.String(71), nullable=False),
        sa.Column("outline", sa.Text),
        _primary("events", "model", "seq"),
        _of_model("events"),
    )
    op.create_index("events_kind", "events", ["model", "kind", "seq"])


def _runs() -> None:
    op.create_table(
        "runs",
        _serial("id"),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("started", sa.BigInteger, nullable=False),
        sa.Column("finished", sa.BigInteger),
        sa.Column("outcome", sa.Text),
        sa.Column("body", sa.Text),
        _primary("runs", "id"),
        _of_model("runs"),
        sa.UniqueConstraint("model", "number", name="runs_number"),
    )
    op.create_index("runs_started", "runs", ["started"])


def _steps() -> None:
    op.create_table(
        "steps",
        _serial("id"),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.String(71), nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("body", sa.Text),
        _primary("steps", "id"),
        sa.ForeignKeyConstraint(["model", "run"], ["runs.model", "runs.number"], name="steps_runs_fk"),
    )
    op.create_index("steps_run", "steps", ["model", "run", "step"])
    op.create_index("steps_fingerprint", "steps", ["model", "fingerprint", "id"])
    op.create_index("steps_step", "steps", ["model", "step", "id"])


def _versions() -> None:
    op.create_table(
        "versions",
        _serial("id"),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("body", sa.Text),
        _primary("versions", "id"),
        _of_model("versions"),
        sa.UniqueConstraint("model", "number", name="versions_number"),
    )


def _aliases() -> None:
    op.create_table(
        "aliases",
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("alias", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        _primary("aliases", "model", "alias"),
        _of_version("aliases", "number"),
    )


def _judgements() -> None:
    op.create_table("judgements", *_about_version("judgements"))
    op.create_index("judgements_version", "judgements", ["model", "version", "id"])


def _monitors() -> None:
    op.create_table(
        "blocks",
        *_about_version("blocks", sa.Column("start", sa.BigInteger, nullable=False)),
        sa.UniqueConstraint("model", "version", "start", name="blocks_start"),
    )
    op.create_table(
        "sights",
        *_about_version("sights", sa.Column("start", sa.BigInteger, nullable=False)),
        sa.UniqueConstraint("model", "version", "start", name="sights_start"),
    )
    op.create_table("states", *_about_version("states"))
    op.create_index("states_version", "states", ["model", "version", "id"])
    op.create_table(
        "alarms",
        *_about_version(
            "alarms",
            sa.Column("monitor", sa.Text, nullable=False),
            sa.Column("block", sa.BigInteger, nullable=False),
        ),
        sa.UniqueConstraint("model", "version", "monitor", "block", name="alarms_block"),
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        _serial("id"),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("alarm", sa.Text, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("ended", sa.BigInteger),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        _primary("outbox", "id"),
        _of_model("outbox"),
        sa.UniqueConstraint("model", "seq", "channel", name="outbox_message"),
    )
    op.create_index("outbox_due", "outbox", ["state", "due"])


def _rollouts() -> None:
    op.create_table(
        "rollouts",
        _serial("id"),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("ended", sa.Boolean, nullable=False),
        sa.Column("body", sa.Text),
        _primary("rollouts", "id"),
        _of_model("rollouts"),
        sa.UniqueConstraint("model", "number", "revision", name="rollouts_revision"),
    )


def _feedback() -> None:
    op.create_table(
        "feedback",
        _serial("seq"),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("ref", sa.Text, nullable=False),
        sa.Column("label", sa.Text),
        sa.Column("known", sa.BigInteger, nullable=False),
        sa.Column("correction", sa.Boolean, nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
        _primary("feedback", "seq"),
        _of_model("feedback"),
    )
    op.create_index("feedback_ref", "feedback", ["model", "by", "ref", "seq"])
    op.create_index("feedback_seq", "feedback", ["model", "seq"])


def _about_version(table: str, *keys: sa.schema.SchemaItem) -> list[sa.schema.SchemaItem]:
    return [
        _serial("id"),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        *keys,
        sa.Column("body", sa.Text),
        _primary(table, "id"),
        _of_version(table, "version"),
    ]


def _serial(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def _primary(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"{table}_pk")


def _of_model(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["model"], ["models.name"], name=f"{table}_models_fk")


def _of_version(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["model", column], ["versions.model", "versions.number"], name=f"{table}_versions_fk"
    )

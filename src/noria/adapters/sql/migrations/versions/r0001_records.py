"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from noria.adapters.sql.migrations.columns import about_version, of_model, of_version, primary, serial

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table("models", sa.Column("name", sa.Text, nullable=False), primary("models", "name"))
    _events()
    _runs()
    _steps()
    _versions()
    _aliases()
    _judgements()
    _monitors()
    _feedback()
    op.create_table(
        "services",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        primary("services", "id"),
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
        primary("events", "model", "seq"),
        of_model("events"),
    )
    op.create_index("events_kind", "events", ["model", "kind", "seq"])


def _runs() -> None:
    op.create_table(
        "runs",
        serial("id"),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("started", sa.BigInteger, nullable=False),
        sa.Column("finished", sa.BigInteger),
        sa.Column("outcome", sa.Text),
        sa.Column("body", sa.Text),
        primary("runs", "id"),
        of_model("runs"),
        sa.UniqueConstraint("model", "number", name="runs_number"),
    )
    op.create_index("runs_started", "runs", ["started"])


def _steps() -> None:
    op.create_table(
        "steps",
        serial("id"),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.String(71), nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("body", sa.Text),
        primary("steps", "id"),
        sa.ForeignKeyConstraint(["model", "run"], ["runs.model", "runs.number"], name="steps_runs_fk"),
    )
    op.create_index("steps_run", "steps", ["model", "run", "step"])
    op.create_index("steps_fingerprint", "steps", ["model", "fingerprint", "id"])
    op.create_index("steps_step", "steps", ["model", "step", "id"])


def _versions() -> None:
    op.create_table(
        "versions",
        serial("id"),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("body", sa.Text),
        primary("versions", "id"),
        of_model("versions"),
        sa.UniqueConstraint("model", "number", name="versions_number"),
    )


def _aliases() -> None:
    op.create_table(
        "aliases",
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("alias", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        primary("aliases", "model", "alias"),
        of_version("aliases", "number"),
    )


def _judgements() -> None:
    op.create_table("judgements", *about_version("judgements"))
    op.create_index("judgements_version", "judgements", ["model", "version", "id"])


def _monitors() -> None:
    op.create_table(
        "blocks",
        *about_version("blocks", sa.Column("start", sa.BigInteger, nullable=False)),
        sa.UniqueConstraint("model", "version", "start", name="blocks_start"),
    )
    op.create_table("states", *about_version("states"))
    op.create_index("states_version", "states", ["model", "version", "id"])
    op.create_table(
        "alarms",
        *about_version(
            "alarms",
            sa.Column("monitor", sa.Text, nullable=False),
            sa.Column("block", sa.BigInteger, nullable=False),
        ),
        sa.UniqueConstraint("model", "version", "monitor", "block", name="alarms_block"),
    )


def _feedback() -> None:
    op.create_table(
        "feedback",
        serial("seq"),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("ref", sa.Text, nullable=False),
        sa.Column("label", sa.Text),
        sa.Column("known", sa.BigInteger, nullable=False),
        sa.Column("correction", sa.Boolean, nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
        primary("feedback", "seq"),
        of_model("feedback"),
    )
    op.create_index("feedback_ref", "feedback", ["model", "by", "ref", "seq"])
    op.create_index("feedback_seq", "feedback", ["model", "seq"])

"""What blocks were asked, messages of alarms, and rollouts.

Stores of a few development versions have some of these tables and stand at 0001 all the same.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from noria.adapters.sql.migrations.columns import about_version, of_model, primary, serial

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    there = sa.inspect(op.get_bind()).get_table_names()
    for name, make in (("sights", _sights), ("outbox", _outbox), ("rollouts", _rollouts)):
        if name not in there:
            make()


def _sights() -> None:
    op.create_table(
        "sights",
        *about_version("sights", sa.Column("start", sa.BigInteger, nullable=False)),
        sa.UniqueConstraint("model", "version", "start", name="sights_start"),
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        serial("id"),
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
        primary("outbox", "id"),
        of_model("outbox"),
        sa.UniqueConstraint("model", "seq", "channel", name="outbox_message"),
    )
    op.create_index("outbox_due", "outbox", ["state", "due"])


def _rollouts() -> None:
    op.create_table(
        "rollouts",
        serial("id"),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("ended", sa.Boolean, nullable=False),
        sa.Column("body", sa.Text),
        primary("rollouts", "id"),
        of_model("rollouts"),
        sa.UniqueConstraint("model", "number", "revision", name="rollouts_revision"),
    )

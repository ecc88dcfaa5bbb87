"""Columns and keys that many tables have, as each migration writes them."""

from __future__ import annotations

import sqlalchemy as sa


def about_version(table: str, *keys: sa.schema.SchemaItem) -> list[sa.schema.SchemaItem]:
    return [
        serial("id"),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        *keys,
        sa.Column("body", sa.Text),
        primary(table, "id"),
        of_version(table, "version"),
    ]


def serial(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def primary(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"{table}_pk")


def of_model(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["model"], ["models.name"], name=f"{table}_models_fk")


def of_version(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["model", column], ["versions.model", "versions.number"], name=f"{table}_versions_fk"
    )

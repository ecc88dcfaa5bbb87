"""The migration that gives the schema which this code expects."""

REVISION = "0002"

"""What a step shows to people: figures, tables and pages of a run's card."""

from __future__ import annotations

from typing import Literal

from noria.records.artifacts import Artifact
from noria.records.base import Record


class Exhibit(Record):
    """One thing on a card. A figure is kept as what it draws on: PNG, or a self-contained HTML page."""

    title: str
    kind: Literal["image", "page", "table", "text"]
    artifact: Artifact

"""Which predictions have their label, which wait for it, and which should have had it, by how old they are."""

from __future__ import annotations

from noria.records.base import Record


class AgeGroup(Record, kw_only=True):
    """Predictions whose event was between the previous group's age and this one's ago."""

    upto: float | None = None
    """Seconds; None: of any age."""
    labelled: int = 0
    waiting: int = 0
    """Without a label, and too young to be missed."""
    owed: int = 0
    """Without a label, though labels of that age have had their time: the label debt."""

    @property
    def predictions(self) -> int:
        return self.labelled + self.waiting + self.owed

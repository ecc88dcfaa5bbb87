"""Rows made for a comparison, column by column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rows:
    """Input columns of a compiled model: float64 arrays, and lists for categories."""

    columns: list[Any]

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def listed(self) -> list[tuple[Any, ...]]:
        """The rows as requests' values are."""
        plain = [column if isinstance(column, list) else column.tolist() for column in self.columns]
        return list(zip(*plain, strict=True))

    def take(self, positions: Any) -> Rows:
        """The rows at these positions."""
        return Rows([_taken(column, positions) for column in self.columns])


def _taken(column: Any, positions: Any) -> Any:
    if isinstance(column, list):
        return [column[at] for at in positions.tolist()]
    return column[positions]

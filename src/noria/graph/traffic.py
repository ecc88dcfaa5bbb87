"""A champion's traffic, of all that the log has of its version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noria.ports.serving import OWN_WAYS, VERSION, WAY

if TYPE_CHECKING:
    import polars as pl


def own_rows(rows: pl.DataFrame, version: int) -> pl.DataFrame:
    """What a version answered to its own callers. What it answered as a challenger or a shadow were another's requests, or
    copies of them, and those who ask for a version by name choose what they ask: none is a sample of its traffic."""
    import polars as pl

    own = rows.filter(pl.col(VERSION) == version)
    if WAY not in own.columns:  # logs of old have none, nor had they challengers
        return own
    return own.filter(pl.col(WAY).fill_null("").is_in(OWN_WAYS))

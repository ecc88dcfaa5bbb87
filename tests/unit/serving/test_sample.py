"""Training rows for a warm-up: who answers does without them where they are gone, or damaged."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from noria.adapters.object_errors import ObjectCorrupt, ObjectMissing
from noria.errors import NoriaError
from noria.serving.sample import sample_of


@pytest.mark.parametrize(
    "error",
    [
        ObjectMissing("blake3:1a", ".noria"),
        ObjectCorrupt("blake3:1a", "objects/1a", "blake3:2b", "it was moved"),
    ],
    ids=["missing", "corrupt"],
)
def test_rows_that_cannot_be_read_are_told_and_not_needed(error: NoriaError) -> None:
    def table(rows: object) -> None:
        raise error

    version = SimpleNamespace(name="delay:3", rows="blake3:1a", signature=SimpleNamespace(request=()))
    told: list[str] = []
    sample = sample_of(
        cast(Any, version),
        cast(Any, SimpleNamespace(table=table)),
        lambda event, /, **facts: told.append(event),
    )
    assert (sample, told) == ((), ["warmup.skipped"])

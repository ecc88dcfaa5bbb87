"""Decoders of records, built when they are first needed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from noria.records.base import Record, decoder_of

THREADS = 4


def test_two_threads_never_build_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """msgspec takes the process down where two are the first to meet the same record."""
    building, all_of_them, build = threading.Lock(), threading.Barrier(THREADS), msgspec.json.Decoder
    alone = []

    def built(kind: Any) -> Any:
        free = building.acquire(blocking=False)
        alone.append(free)
        threading.Event().wait(0.05)  # long enough for all others to come as far as this, if they could
        if free:
            building.release()
        return build(kind)

    def first(number: int) -> None:
        class Fresh(Record):
            name: str

        all_of_them.wait()
        decoder_of(Fresh)

    monkeypatch.setattr(msgspec.json, "Decoder", built)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(first, range(THREADS)))
    assert alone == [True] * THREADS

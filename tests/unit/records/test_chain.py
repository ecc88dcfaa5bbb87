"""A chain of events shows what was done to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from noria.errors import Corrupt
from noria.records.base import digest_of
from noria.records.chain import verify_chain
from noria.records.events import GENESIS, AliasMoved, Change, Event, link
from noria.testing.samples import MODEL, NOON

Pairs = list[tuple[Event, Change | None]]


def a_chain(length: int = 5, *, model: str = MODEL) -> Pairs:
    pairs: Pairs = []
    previous = GENESIS
    for seq in range(1, length + 1):
        change = AliasMoved(model=model, alias="champion", before=seq - 1, after=seq, why="a test", by="ada")
        event = link(change, model=model, seq=seq, at=NOON + timedelta(days=seq), previous=previous)
        pairs.append((event, change))
        previous = event.hash
    return pairs


def test_counts_the_links_of_a_whole_chain() -> None:
    assert verify_chain(a_chain(5)) == 5
    assert verify_chain([]) == 0


def test_verifies_where_only_tombstones_are_left() -> None:
    assert verify_chain([(event, None) for event, _ in a_chain()]) == 5


def test_a_chain_cut_at_its_end_is_a_shorter_chain() -> None:
    """What no chain can tell by itself: keep the last hash elsewhere."""
    assert verify_chain(a_chain()[:-1]) == 4


def _removed(chain: Pairs) -> None:
    del chain[2]


def _doubled(chain: Pairs) -> None:
    chain.insert(2, chain[1])


def _swapped(chain: Pairs) -> None:
    chain[2], chain[3] = chain[3], chain[2]


def _beheaded(chain: Pairs) -> None:
    del chain[0]


def _redated(chain: Pairs) -> None:
    event, change = chain[2]
    chain[2] = (msgspec.structs.replace(event, at=event.at + timedelta(microseconds=1)), change)


def _another_change(chain: Pairs) -> None:
    event, change = chain[2]
    assert isinstance(change, AliasMoved)
    chain[2] = (event, msgspec.structs.replace(change, by="eve"))


def _another_change_with_its_digest(chain: Pairs) -> None:
    event, change = chain[2]
    assert isinstance(change, AliasMoved)
    other = msgspec.structs.replace(change, by="eve")
    chain[2] = (msgspec.structs.replace(event, digest=digest_of(other)), other)


def _relinked(chain: Pairs) -> None:
    """Someone who can compute hashes writes one event anew: the next one no longer follows."""
    event, change = chain[2]
    assert isinstance(change, AliasMoved)
    other = msgspec.structs.replace(change, by="eve")
    chain[2] = (link(other, model=MODEL, seq=event.seq, at=event.at, previous=event.previous), other)


def _of_another_model(chain: Pairs) -> None:
    chain[2] = a_chain(model="fare")[2]


@pytest.mark.parametrize(
    ("tamper", "seq"),
    [
        (_removed, 3),
        (_doubled, 3),
        (_swapped, 3),
        (_beheaded, 1),
        (_redated, 3),
        (_another_change, 3),
        (_another_change_with_its_digest, 3),
        (_relinked, 4),
        (_of_another_model, 3),
    ],
)
def test_says_where_a_chain_breaks(tamper: Callable[[Pairs], None], seq: int) -> None:
    chain = a_chain()
    tamper(chain)
    with pytest.raises(Corrupt) as caught:
        verify_chain(chain)
    assert caught.value.facts()["seq"] == seq
    assert f"event {seq}" in str(caught.value)

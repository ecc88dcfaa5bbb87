"""Whatever a model's history was: its chain verifies, and no single alteration goes unseen."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noria.errors import Corrupt
from noria.records.base import canonical, digest_of
from noria.records.chain import verify_chain
from noria.records.events import GENESIS, AliasMoved, BlockScored, Change, Event, Judged, RunFinished, link
from noria.records.runs import Failed, Interrupted, Succeeded
from noria.testing.samples import MODEL, NOON, a_block, a_judgement, a_result, a_state

finite = st.floats(allow_nan=False, allow_infinity=False)
numbers = st.none() | st.integers(1, 10**9)
changes: st.SearchStrategy[Change] = st.one_of(
    st.builds(
        AliasMoved,
        model=st.just(MODEL),
        alias=st.text(),
        before=numbers,
        after=numbers,
        why=st.text(),
        by=st.text(),
    ),
    st.builds(
        RunFinished,
        model=st.just(MODEL),
        run=st.integers(1, 10**6),
        finished=st.just(NOON),
        outcome=st.one_of(
            st.builds(Succeeded, version=numbers, metrics=st.dictionaries(st.text(), finite, max_size=3)),
            st.builds(Failed, step=st.text(), code=st.text(), error=st.text()),
            st.just(Interrupted()),
        ),
        steps=st.lists(st.builds(a_result, st.text()), max_size=3).map(tuple),
    ),
    st.builds(Judged, judgement=st.builds(a_judgement, st.integers(1, 99))),
    st.builds(
        BlockScored,
        block=st.builds(a_block, st.integers(0, 999), loss=st.none() | finite),
        state=st.builds(a_state),
    ),
)
histories = st.lists(changes, min_size=1, max_size=8)


def chained(history: list[Change]) -> list[tuple[Event, Change | None]]:
    pairs: list[tuple[Event, Change | None]] = []
    previous = GENESIS
    for seq, change in enumerate(history, start=1):
        event = link(change, model=MODEL, seq=seq, at=NOON + timedelta(hours=seq), previous=previous)
        pairs.append((event, change))
        previous = event.hash
    return pairs


@given(histories)
def test_every_history_verifies_after_a_round_trip(history: list[Change]) -> None:
    back = [
        (
            msgspec.json.decode(canonical(event), type=Event),
            msgspec.json.decode(canonical(change), type=Change),
        )
        for event, change in chained(history)
    ]
    assert verify_chain(back) == len(history)


@given(histories, st.data())
def test_no_altered_field_goes_unseen(history: list[Change], data: st.DataObject) -> None:
    chain = chained(history)
    position = data.draw(st.integers(0, len(chain) - 1))
    event, change = chain[position]
    field = data.draw(st.sampled_from(list(Event.__struct_fields__)))
    was = getattr(event, field)
    altered = was + {int: 1, str: "x", datetime: timedelta(seconds=1)}[type(was)]
    chain[position] = (msgspec.structs.replace(event, **{field: altered}), change)
    assert _breaks_at(chain) in (position + 1, position + 2)


@given(histories, changes, st.data())
def test_no_replaced_change_goes_unseen(history: list[Change], other: Change, data: st.DataObject) -> None:
    chain = chained(history)
    position = data.draw(st.integers(0, len(chain) - 1))
    if digest_of(other) != chain[position][0].digest:
        chain[position] = (chain[position][0], other)
        assert _breaks_at(chain) == position + 1


@given(st.lists(changes, min_size=2, max_size=8), st.data())
def test_no_lost_moved_or_doubled_event_goes_unseen(history: list[Change], data: st.DataObject) -> None:
    chain = chained(history)
    order = data.draw(st.lists(st.integers(0, len(chain) - 1), max_size=len(chain) + 1))
    changed = [chain[position] for position in order]
    first = next((place for place, position in enumerate(order) if place != position), None)
    if first is None:  # the order is the chain's own, perhaps cut at its end
        assert verify_chain(changed) == len(order)
    else:
        assert _breaks_at(changed) == first + 1


def _breaks_at(chain: list[tuple[Event, Change | None]]) -> object:
    with pytest.raises(Corrupt) as caught:
        verify_chain(chain)
    return caught.value.facts()["seq"]

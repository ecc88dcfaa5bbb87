"""Who answers for a unit: a function of the table alone, even over the units, and nested as shares grow."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from noria.records.base import canonical, parse
from noria.records.routing import Challenger, Routing, free_start, overlap, place
from noria.serving.change import Wanted, WantedChallenger, without, worked_out
from noria.serving.service_errors import BadRouting

UNITS = [f"unit {number}" for number in range(5_000)]
shares = st.floats(0.0, 1.0)
starts = st.floats(0.0, 1.0, exclude_max=True)


def a_table(*challengers: Challenger, salt: str = "s", **more: object) -> Routing:
    return Routing(model="rides", champion=1, challengers=challengers, salt=salt, **more)  # type: ignore[arg-type]


@given(st.text(), st.text(), st.text())
def test_a_place_is_a_place(model: str, salt: str, unit: str) -> None:
    assert 0.0 <= place(model, salt, unit) < 1.0


@pytest.mark.parametrize("share", [0.0, 0.01, 0.05, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("salt", ["", "7", "a trial"])
def test_a_share_is_the_share_of_the_units_that_it_gets(share: float, salt: str) -> None:
    """Within five standard deviations of a binomial: by chance one in two million of such tests would fail."""
    table = a_table(Challenger(version=2, share=share, start=0.75), salt=salt)
    got = sum(table.assigned(unit) == 2 for unit in UNITS)
    assert abs(got - share * len(UNITS)) <= 5 * math.sqrt(len(UNITS) * share * (1 - share))


@given(shares, shares, starts, st.text(min_size=1), st.text())
def test_a_larger_share_moves_nobody_back(
    one: float, other: float, start: float, unit: str, salt: str
) -> None:
    small, large = sorted((one, other))
    if a_table(Challenger(version=2, share=small, start=start), salt=salt).assigned(unit) == 2:
        assert a_table(Challenger(version=2, share=large, start=start), salt=salt).assigned(unit) == 2


def test_two_challengers_have_units_of_their_own_while_they_grow() -> None:
    before: dict[int, set[str]] = {2: set(), 3: set()}
    table = Routing(model="rides", champion=1)
    for share in (0.05, 0.1, 0.25, 0.5):
        wanted = Wanted(
            generation=table.generation,
            challengers=tuple(WantedChallenger(version=version, share=share) for version in (2, 3)),
        )
        table = worked_out(wanted, table)
        after = {
            version: {unit for unit in UNITS[:2000] if table.assigned(unit) == version} for version in (2, 3)
        }
        assert all(before[version] <= after[version] for version in (2, 3))
        before = after
    assert before[2] | before[3] == set(UNITS[:2000])


def test_another_experiment_begins_with_other_units() -> None:
    first, second = (
        {unit for unit in UNITS if a_table(Challenger(version=2, share=0.1), salt=salt).assigned(unit) == 2}
        for salt in ("2", "3")
    )
    assert len(first & second) < 0.2 * len(first)  # a tenth by chance


def test_every_process_ever_says_the_same() -> None:
    table = a_table(Challenger(version=2, share=0.3, start=0.9))
    code = (
        "import sys; from noria.records.base import parse; from noria.records.routing import Routing;"
        "table = parse(sys.argv[1], Routing);"
        "print([table.assigned(f'unit {number}') for number in range(200)])"
    )
    made = subprocess.run(
        [sys.executable, "-c", code, canonical(table).decode()], capture_output=True, text=True, check=True
    )
    assert made.stdout.strip() == str([table.assigned(unit) for unit in UNITS[:200]])
    assert place("rides", "2", "d1") == PLACE  # a change would move everybody


PLACE = 0.023294690913210236


@given(st.lists(st.tuples(shares, starts), max_size=4), st.text())
def test_where_nothing_overlaps_everybody_has_one_version(
    wanted: list[tuple[float, float]], unit: str
) -> None:
    challengers = tuple(
        Challenger(version=2 + at, share=share, start=start) for at, (share, start) in enumerate(wanted)
    )
    assume(overlap(challengers) is None)
    at = place("rides", "s", unit)
    assert sum(one.answers_for(at) for one in challengers) <= 1


@given(st.lists(st.floats(0.0, 0.2), max_size=5))
def test_there_is_room_for_few_small_challengers(wanted: list[float]) -> None:
    taken: list[Challenger] = []
    for at, share in enumerate(wanted):
        start = free_start(share, taken)
        if start is not None:
            taken.append(Challenger(version=2 + at, share=share, start=start))
        assert overlap(taken) is None
    assert len(taken) >= min(2, len(wanted))


def test_what_is_asked_for_keeps_its_place_salt_and_generation() -> None:
    now = a_table(Challenger(version=2, share=0.1, start=0.25), salt="x", generation=4)
    more = worked_out(
        Wanted(generation=4, challengers=(WantedChallenger(version=2, share=0.4),), shadows=(5,)), now
    )
    assert (more.challengers, more.shadows) == ((Challenger(version=2, share=0.4, start=0.25),), (5,))
    assert (more.salt, more.generation) == ("x", 4)
    assert not more.same(now)
    assert without(more, 5).shadows == () and without(more, 2).challengers == ()
    first = worked_out(
        Wanted(generation=0, challengers=(WantedChallenger(version=9, share=0.1),)),
        Routing(model="rides", champion=1),
    )
    assert first.salt == "9"


def test_a_table_without_challengers_is_the_same_with_any_salt() -> None:
    assert a_table(salt="a").same(a_table(salt="b"))
    assert not a_table().same(Routing(model="rides", champion=2))


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Wanted(generation=0, shadows=(1,)), "is the champion"),
        (Wanted(generation=0, shadows=(2, 2)), "named twice"),
        (
            Wanted(generation=0, challengers=(WantedChallenger(version=2, share=0.5),), shadows=(2,)),
            "named twice",
        ),
        (
            Wanted(
                generation=0,
                challengers=(
                    WantedChallenger(version=2, share=0.6, start=0.0),
                    WantedChallenger(version=3, share=0.1, start=0.5),
                ),
            ),
            "the same units",
        ),
        (
            Wanted(
                generation=0,
                challengers=tuple(WantedChallenger(version=version, share=0.6) for version in (2, 3)),
            ),
            "no room",
        ),
    ],
)
def test_what_cannot_hold_says_why(wanted: Wanted, told: str) -> None:
    with pytest.raises(BadRouting, match=told):
        worked_out(wanted, Routing(model="rides", champion=1))


def test_a_table_comes_back_as_it_was() -> None:
    table = a_table(Challenger(version=2, share=0.1 + 0.2, start=0.5), shadows=(4,), generation=3)
    assert parse(canonical(table), Routing) == table

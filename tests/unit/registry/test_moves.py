"""Moves of an alias and the way back."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from noria.records.events import AliasMoved
from noria.registry.moves import move, previous


def moved(*versions: int) -> list[AliasMoved]:
    changes, before = [], None
    for version in versions:
        changes.append(
            AliasMoved(model="delay", alias="champion", before=before, after=version, why="", by="test")
        )
        before = version
    return changes


def test_a_move_says_where_it_came_from() -> None:
    change = move({"champion": 3}, model="delay", alias="champion", to=4, why="better", by="gates")
    assert change is not None and (change.before, change.after) == (3, 4)


def test_a_move_to_where_it_is_is_none() -> None:
    assert move({"champion": 3}, model="delay", alias="champion", to=3, why="", by="") is None


def test_way_back() -> None:
    assert previous(moved(1), "champion") is None
    assert previous(moved(1, 2), "champion") == 1
    assert previous(moved(1, 2, 3), "champion") == 2


def test_going_back_twice_goes_back_two_versions() -> None:
    assert previous(moved(1, 2, 3, 2), "champion") == 1


def test_after_going_back_a_new_version_remembers_the_one_it_replaced() -> None:
    assert previous(moved(1, 2, 3, 2, 4), "champion") == 2


def test_a_rollout_of_an_earlier_version_goes_forth_and_can_be_taken_back() -> None:
    first, second, again = moved(1, 2, 1)
    rolled_out = [first, second, replace(again, forth=True)]
    assert previous(rolled_out, "champion") == 2
    assert previous([*rolled_out, *moved(1, 2)[1:]], "champion") == 1
    assert previous([*rolled_out, *moved(1, 3, 1)[1:]], "champion") == 2


def test_other_aliases_and_tombstones_do_not_count() -> None:
    other = AliasMoved(model="delay", alias="candidate", before=None, after=9, why="", by="")
    assert previous([None, *moved(1, 2), other], "champion") == 1


@given(st.lists(st.integers(1, 6), max_size=12))
def test_the_way_back_is_never_the_version_that_is_there(versions: list[int]) -> None:
    distinct = [v for i, v in enumerate(versions) if i == 0 or versions[i - 1] != v]
    back = previous(moved(*distinct), "champion")
    assert back is None or back != distinct[-1]

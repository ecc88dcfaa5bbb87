"""What all slots promise, as tests: `class TestMine(SlotsContract)` with a fixture `opener`."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from noria.errors import Bug
from noria.ports.slots import Slots

Opener = Callable[[], Slots]
"""Opens the same slots each time it is called, in any process: a function of a module, or a partial of one."""

LARGE = b"0123456789abcdef" * 2**16
VALUES = [bytes([number]) * 100_000 for number in range(3)]
ODD = ["", "/", "a/", "/a", "a//b", "..", "a/../b", ".hidden", "a/.b", "a b", "a\\b", "ä", "a\nb", "a\x00"]


class SlotsContract:
    """Subclass it and give the fixture `opener`, which opens empty slots of its own for each test."""

    @pytest.fixture
    def opener(self) -> Opener:
        raise NotImplementedError("the subclass gives a fixture `opener`")

    @pytest.fixture
    def slots(self, opener: Opener) -> Slots:
        return opener()

    @pytest.mark.parametrize(
        "value", [b"", b"x", b"\0\n\xff", LARGE], ids=["nothing", "short", "odd", "large"]
    )
    def test_gives_back_what_was_put(self, slots: Slots, value: bytes) -> None:
        slots.put("checkpoints/ab12", value)
        assert slots.get("checkpoints/ab12") == value

    def test_the_newest_value_holds(self, slots: Slots) -> None:
        for value in (b"a long value", b"short", b""):
            slots.put("name", value)
            assert slots.get("name") == value

    def test_nothing_is_there_before_a_put_and_after_a_drop(self, slots: Slots) -> None:
        assert slots.get("a/b") is None
        slots.put("a/b", b"1")
        slots.drop("a/b")
        assert slots.get("a/b") is None
        assert slots.names("a") == []

    def test_dropping_what_is_not_there_is_harmless(self, slots: Slots) -> None:
        slots.drop("never")
        slots.drop("never/there")
        slots.put("once", b"1")
        slots.drop("once")
        slots.drop("once")

    def test_names_are_those_of_a_folder_with_what_is_below_sorted(self, slots: Slots) -> None:
        for name in ("run/b", "run/a", "run/deep/er/c", "runs/d", "other"):
            slots.put(name, b"1")
        assert list(slots.names("run")) == ["run/a", "run/b", "run/deep/er/c"]
        assert list(slots.names("run/deep")) == ["run/deep/er/c"]
        assert list(slots.names("none")) == []

    def test_each_name_has_its_own_value(self, slots: Slots) -> None:
        names = [f"study.1/trial-{number}@a+b_c" for number in range(20)]
        for name in names:
            slots.put(name, name.encode())
        assert [slots.get(name) for name in names] == [name.encode() for name in names]
        assert sorted(slots.names("study.1")) == sorted(names)

    @pytest.mark.parametrize("name", ODD, ids=ascii)
    def test_what_is_no_path_of_plain_words_is_refused(self, slots: Slots, name: str) -> None:
        for use in (slots.get, slots.drop, slots.names, lambda given: slots.put(given, b"1")):
            with pytest.raises(Bug):
                use(name)

    def test_another_opening_sees_it(self, opener: Opener) -> None:
        opener().put("kept", b"1")
        assert opener().get("kept") == b"1"

    def test_many_threads_may_set_one_name_and_a_reader_sees_whole_values_alone(self, slots: Slots) -> None:
        slots.put("hot", VALUES[0])
        with ThreadPoolExecutor(4) as pool:
            done = [pool.submit(slots.put, "hot", VALUES[number % 3]) for number in range(30)]
            seen = [slots.get("hot") for _ in range(30)]
            for one in done:
                one.result()
        assert all(value in VALUES for value in seen)

    def test_many_processes_may_set_one_name(self, opener: Opener) -> None:
        with multiprocessing.get_context("spawn").Pool(3) as pool:
            pool.starmap(_put_all, [(opener, value) for value in VALUES])
        assert opener().get("hot") in VALUES


def _put_all(opener: Opener, value: bytes) -> None:
    slots = opener()
    for _ in range(10):
        slots.put("hot", value)

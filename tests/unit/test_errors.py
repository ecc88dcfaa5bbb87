"""Errors: facts in, one rendering out, of bounded length."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

import noria
from noria import errors
from noria.adapters.sql.conflicts import Contradiction
from noria.errors import LONGEST, ConfigError, Corrupt, NoriaError, problem, render
from noria.ports.serving import NOTHING_STORED, UnknownPrediction
from noria.serving.service_errors import NothingToServe


@dataclass(eq=False)
class Lost(Corrupt):
    code: ClassVar[str] = "PLATE-LOST"
    what: ClassVar[str] = "{count:,} plates are lost: {names}\nsince {since}"
    next: ClassVar[str] = "look behind {place}"
    count: int
    names: Sequence[str]
    since: str
    place: str


LOST = Lost(count=1234, names=["a", "b"], since="noon", place="the door")


def test_an_error_is_rendered_with_its_code_its_facts_and_the_next_step() -> None:
    assert render(LOST).splitlines() == [
        "error[PLATE-LOST]: 1,234 plates are lost: a, b",
        "  since noon",
        "  next:  look behind the door",
    ]


def test_the_step_that_it_ended_is_told_unless_its_words_say_so() -> None:
    lost = Lost(count=1, names=[], since="noon", place="x")
    lost.at_step = "glaze"
    assert render(lost).splitlines()[2:] == ["  step:  glaze", "  next:  look behind x"]
    lost = Lost(count=1, names=["glaze"], since="noon", place="x")
    lost.at_step = "glaze"
    assert "step:" not in render(lost)


def test_over_http_it_is_the_same_with_a_status() -> None:
    assert problem(LOST) == {
        "type": "urn:noria:error:plate-lost",
        "code": "PLATE-LOST",
        "status": 500,
        "detail": "1,234 plates are lost: a, b\nsince noon",
        "next": "look behind the door",
    }


def test_a_long_list_is_counted() -> None:
    told = str(Lost(count=12, names=[str(number) for number in range(12)], since="noon", place="x"))
    assert "0, 1, 2, 3, 4 ... and 7 more" in told


def test_a_long_text_is_cut() -> None:
    told = str(Lost(count=1, names=[], since="x" * 10 * LONGEST, place="x"))
    assert len(told) < LONGEST + 100


def test_braces_in_a_fact_are_left_alone() -> None:
    assert "since {0.__class__}" in str(Lost(count=1, names=[], since="{0.__class__}", place="x"))


def test_an_error_can_be_raised_and_caught_by_its_family() -> None:
    with pytest.raises(NoriaError, match="plates are lost") as caught:
        raise LOST
    assert caught.value.exit == 5


def test_an_error_that_is_raised_again_keeps_its_facts() -> None:
    try:
        raise LOST
    except Lost as error:
        error.add_note("seen on the way")
        assert error.facts() == {"count": 1234, "names": ["a", "b"], "since": "noon", "place": "the door"}


@pytest.mark.parametrize(
    ("family", "code"),
    [
        ("UsageError", 2),
        ("ConfigError", 2),
        ("NotFound", 3),
        ("Conflict", 3),
        ("Unavailable", 4),
        ("BackendError", 4),
        ("Corrupt", 5),
        ("StepFailed", 1),
        ("Bug", 70),
    ],
)
def test_a_family_has_one_exit_code(family: str, code: int) -> None:
    assert getattr(errors, family).exit == code


def _concrete(family: type[NoriaError]) -> Iterator[type[NoriaError]]:
    """Those that are raised; one that only gathers others has no code."""
    for kind in family.__subclasses__():
        yield from _concrete(kind)
        gathers = not hasattr(kind, "code") and kind.__subclasses__()
        if kind.__module__.startswith("noria.") and kind.__module__ != "noria.errors" and not gathers:
            yield kind


def test_every_error_of_noria_has_a_code_of_its_own_a_sentence_and_a_next_step() -> None:
    for module in pkgutil.walk_packages(noria.__path__, "noria."):
        if "__main__" not in module.name and "migrations" not in module.name:
            importlib.import_module(module.name)
    kinds = list(dict.fromkeys(_concrete(NoriaError)))
    codes = [kind.code for kind in kinds]
    assert len(kinds) > 10
    assert sorted(set(codes)) == sorted(codes)
    for kind in kinds:
        assert re.fullmatch(r"[A-Z][A-Z0-9]*(-[A-Z0-9]+)*", kind.code), kind
        facts = set(getattr(kind, "__dataclass_fields__", {}))
        named = set(re.findall(r"\{(\w+)", kind.what + kind.next))
        if kind.facts is NoriaError.facts:
            assert named <= facts, f"{kind.__name__} tells {named - facts}, which it does not know"


def test_a_family_is_told_apart_from_its_members() -> None:
    assert not hasattr(ConfigError, "code")


def test_a_contradiction_counts_only_others_that_there_are() -> None:
    alone = Contradiction(model="m", by="key", ref="a", stored=1, given=0)
    assert str(alone) == "the label for key a of m is 1, and 0 was given; nothing was stored"
    assert "(2 more like this in the batch)" in str(replace(alone, others=2))


def test_who_only_looks_for_an_answer_is_not_told_what_was_stored() -> None:
    assert "stored" not in render(UnknownPrediction(model="m", ids=["x"]))
    assert NOTHING_STORED in str(UnknownPrediction(model="m", ids=["x"], so=NOTHING_STORED))


@pytest.mark.parametrize(("follows", "asked"), [("7", "delay:7"), ("best", "delay@best")])
def test_what_cannot_be_served_is_called_as_references_are_written(follows: str, asked: str) -> None:
    assert str(NothingToServe(model="delay", follows=follows, known="no version yet")).startswith(
        f"there is no {asked};"
    )

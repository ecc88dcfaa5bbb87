"""Waiting for a server: said aloud after a while, given up in the end, and given up by all of a command at once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Thread
from typing import ClassVar

import pytest

from noria.adapters import patience
from noria.adapters.patience import Patience
from noria.errors import NoriaError, Unavailable


@dataclass(eq=False)
class Away(Unavailable):
    code: ClassVar[str] = "AWAY"
    what: ClassVar[str] = "the shop is closed"
    next: ClassVar[str] = "come back"


@dataclass(eq=False)
class SoldOut(NoriaError):
    code: ClassVar[str] = "SOLD-OUT"
    what: ClassVar[str] = "there is none"
    next: ClassVar[str] = "come back"


class Shop:
    """Closed for so many calls."""

    def __init__(self, closed: int) -> None:
        self.closed = closed
        self.calls = 0

    def ask(self) -> str:
        self.calls += 1
        if self.calls <= self.closed:
            raise Away
        return "bread"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(patience, "TOLD", 0.02)
    return []


def of(said: list[str]) -> Patience:
    return Patience("the shop", Away, pauses=(0.005, 0.02), tell=said.append)


def test_what_is_waited_for_is_said_once_and_so_is_its_return(said: list[str]) -> None:
    shop = Shop(closed=6)
    assert of(said).persist(shop.ask, 5.0) == "bread"
    assert shop.calls == 7 and len(said) == 2
    assert "the shop is closed" in said[0] and "Ctrl-C" in said[0]
    assert said[1].startswith("the shop answers again")


def test_of_several_that_wait_one_speaks(said: list[str]) -> None:
    patient, shop = of(said), Shop(closed=1000)
    threads = [Thread(target=lambda: patient.persist(shop.ask, 5.0)) for _ in range(3)]
    for thread in threads:
        thread.start()
    while not said:
        time.sleep(0.005)
    time.sleep(0.05)
    shop.closed = 0
    for thread in threads:
        thread.join()
    assert len(said) == 2 and said[1].startswith("the shop answers again")


def test_a_short_trouble_is_not_worth_a_word(said: list[str]) -> None:
    assert of(said).persist(Shop(closed=1).ask, 5.0) == "bread"
    assert said == []


def test_who_waited_in_vain_asks_once_until_there_is_an_answer(said: list[str]) -> None:
    patient, shop = of(said), Shop(closed=1000)
    with pytest.raises(Away):
        patient.persist(shop.ask, 0.05)
    before = shop.calls
    with pytest.raises(Away):
        patient.persist(shop.ask, 60.0)
    assert shop.calls == before + 1
    shop.closed = shop.calls
    assert patient.persist(shop.ask, 60.0) == "bread"
    shop.closed = shop.calls + 3
    assert patient.persist(shop.ask, 60.0) == "bread", "it has answered, so it is waited for again"


def test_what_is_no_lack_of_an_answer_is_raised_at_once(said: list[str]) -> None:
    began = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        of(said).persist(lambda: 1 // 0, 60.0)
    assert time.monotonic() - began < 5


def test_another_answer_is_an_answer_too(said: list[str]) -> None:
    patient, shop = of(said), Shop(closed=1000)
    with pytest.raises(Away):
        patient.persist(shop.ask, 0.03)
    with pytest.raises(Unavailable):
        patient.persist(Shop(closed=1).ask, 5.0)

    def sold_out() -> str:
        raise SoldOut

    with pytest.raises(SoldOut):
        patient.persist(sold_out, 5.0)
    assert patient.persist(Shop(closed=1).ask, 5.0) == "bread", "it is waited for again"

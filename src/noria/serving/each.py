"""What is done for several requests: each has its turn, whatever comes of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def tried(work: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    """What came of the user's code: its result, or what it raised."""
    try:
        return work(), None
    except BaseException as error:  # SystemExit and a library's panic are no Exception
        return None, error


def _raise(one: object, problem: Exception) -> None:
    raise problem


def each_of(
    those: Iterable[T], do: Callable[[T], None], instead: Callable[[T, Exception], None] = _raise
) -> None:
    """Do it with each; with one that raises, `instead`, which gets what that raised. Raises what `instead` raised first, once
    all have had their turn."""
    broken: list[Exception] = []
    for one in those:
        try:
            do(one)
        except Exception as problem:  # a fault of ours, which must cost nobody else an answer
            try:
                instead(one, problem)
            except Exception as again:
                broken.append(again)
    if broken:
        raise broken[0]

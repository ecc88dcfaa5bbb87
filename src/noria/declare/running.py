"""How a step runs: what it needs, how often it is tried, how long it may take, in which environment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_origin

from noria.declare.errors import BadOption
from noria.declare.where import Where

if TYPE_CHECKING:
    from noria.records.needs import Retry

T = TypeVar("T")

BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
BYTES |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True)
class Mapped:
    """Marks an input that a step takes item by item."""


@dataclass(frozen=True)
class Partition:
    """Marks a table that a step takes part by part, one for each combination of values in these columns:
    `flights: Annotated[pl.DataFrame, noria.Partition("carrier")]`."""

    by: tuple[str, ...]

    def __init__(self, *by: str) -> None:
        object.__setattr__(self, "by", by)


Each = Annotated[T, Mapped()]
"""`fold: noria.Each[Fold]` runs the step once for each item of the list `fold`, side by side; who reads the step's
output without `Each` gets the list of results, in order. `Each[Each[Fold]]` goes two lists deep."""


@dataclass(frozen=True)
class Resources:
    """What one attempt of a step takes for itself: `Resources(cpus=2, memory="4GiB")`.

    `cpus` are whole cores, and the threads that its libraries get; `memory` is what it may take beyond an idle worker,
    as bytes or text. A step that asks for nothing counts as one core.
    """

    cpus: int | None = None
    gpus: int = 0
    memory: int | str | None = None

    @property
    def bytes(self) -> int | None:
        """`memory` as a number of bytes; raises ValueError for what is no size."""
        if self.memory is None or isinstance(self.memory, int):
            return self.memory
        parts = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([KMGT]i?B|B)", self.memory)
        if parts is None:
            raise ValueError(f"{self.memory!r} is no size: write 4GiB, 500MB")
        return int(float(parts[1]) * BYTES[parts[2]])


@dataclass(frozen=True)
class Running:
    """The options of a step that say nothing of its result."""

    resources: Resources = Resources()
    retry: Retry | None = None
    """None: as `Retry()` says."""
    timeout: float | None = None
    """Seconds."""
    environment: str | None = None
    """A dependency group of pyproject.toml; None: the project's own environment."""


def running(
    where: Where,
    resources: Resources | None,
    retries: int | Retry | None,
    timeout: float | str | None,
    environment: str | None,
) -> Running:
    """The options as a user writes them, checked. Raises `BadOption`."""
    return Running(
        resources=_resources(where, resources),
        retry=_retry(where, retries),
        timeout=_seconds(where, timeout),
        environment=_group(where, environment),
    )


def _resources(where: Where, given: object) -> Resources:
    if given is None:
        return Resources()
    if not isinstance(given, Resources):
        raise _bad(where, "resources", given, "write resources=noria.Resources(cpus=2)")
    if given.cpus is not None and not _whole(given.cpus, least=1):
        raise _bad(where, "resources", f"cpus={given.cpus!r}", "give a whole number of cores, 1 or more")
    if not _whole(given.gpus, least=0):
        raise _bad(where, "resources", f"gpus={given.gpus!r}", "give a whole number, 0 or more")
    try:
        size = given.bytes
    except (ValueError, TypeError) as error:
        raise _bad(where, "resources", f"memory={given.memory!r}", "write 4GiB, 500MB or bytes") from error
    if size is not None and not _whole(size, least=1):
        raise _bad(where, "resources", f"memory={given.memory!r}", "give more than nothing")
    return given


def _retry(where: Where, given: object) -> Retry | None:
    if given is None:
        return None
    from noria.records.needs import Retry

    if isinstance(given, Retry):
        counts = (given.code, given.lost, given.memory, given.timeout)
        if all(_whole(count, least=0) for count in counts) and given.wait >= 0 and given.longest >= 0:
            return given
    elif isinstance(given, int) and _whole(given, least=0):
        return Retry(code=given, lost=given, memory=given, timeout=given)
    raise _bad(
        where, "retries", given, "give how often to try again: retries=2, or noria.Retry(code=2, lost=3)"
    )


def _seconds(where: Where, given: object) -> float | None:
    if given is None:
        return None
    parts = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhd])", given) if isinstance(given, str) else None
    seconds = float(parts[1]) * SECONDS[parts[2]] if parts else given
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < float("inf"):
        raise _bad(
            where, "timeout", given, 'give seconds, or a count and a unit of s, m, h, d: timeout="30m"'
        )
    return float(seconds)


def _group(where: Where, given: object) -> str | None:
    if given is None or (isinstance(given, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", given)):
        return given
    raise _bad(where, "environment", given, 'name a dependency group of pyproject.toml: environment="gpu"')


def _whole(value: object, *, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _bad(where: Where, option: str, given: object, fix: str) -> BadOption:
    shown = given if isinstance(given, str) and "=" in given else repr(given)
    return BadOption(where=where, option=option, problem=f"is {shown}", fix=fix)


def marks(annotation: Any) -> tuple[Any, int, Partition | None]:
    """An annotation without its marks, how many lists deep it goes, and the partition."""
    if get_origin(annotation) is not Annotated:
        return annotation, 0, None
    depth = sum(isinstance(mark, Mapped) for mark in annotation.__metadata__)
    partitions = [mark for mark in annotation.__metadata__ if isinstance(mark, Partition)]
    others = tuple(mark for mark in annotation.__metadata__ if not isinstance(mark, Mapped | Partition))
    inner = Annotated[(annotation.__origin__, *others)] if others else annotation.__origin__
    return inner, depth, partitions[0] if partitions else None

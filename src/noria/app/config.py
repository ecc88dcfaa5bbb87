"""noria.toml, checked as a whole: what stands in it becomes a `Policy`, or every fault is told at once."""

from __future__ import annotations

import difflib
import ipaddress
import json
import math
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar, cast

from noria.errors import ConfigError
from noria.records.base import Json
from noria.records.gates import Gate, NoWorse, Threshold
from noria.records.policy import ModelPolicy, MonitorPolicy, Policy, RetrainPolicy, ServicePolicy

FILE = "noria.toml"
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
LONGEST = 100 * 365 * 86_400  # s; a century: more is a slip, and would overflow dates
WIDEST = 60  # characters of a value that a fault shows

KeyPath = tuple[str, ...]
Promotion = Literal["automatic", "manual"]
Trigger = Literal["performance", "schedule"]
TRIGGERS: tuple[Trigger, ...] = ("performance", "schedule")


def find_project(start: Path) -> Path:
    """The folder with noria.toml: `start` or the nearest one above it. Raises `NoProject`."""
    here = start.resolve()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return folder
    raise NoProject(start=str(here))


def load_policy(path: Path) -> Policy:
    """A project's policy. Raises `NoPolicy` when there is no such file, `BadPolicy` with all its faults."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise BadPolicy(
            str(path), [Fault("", line, "a byte that is no UTF-8: save the file as UTF-8")]
        ) from error
    except OSError as error:
        raise NoPolicy(file=str(path), reason=error.strerror or str(error)) from error
    return parse_policy(text, file=str(path))


def parse_policy(text: str, *, file: str) -> Policy:
    """A policy from the text of a noria.toml; `file` is its name in a fault. Raises `BadPolicy`."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadPolicy(file, [_syntax(error)]) from error
    faults: list[tuple[KeyPath, str]] = []
    policy = _policy(Section(values, (), faults))
    if faults:
        lines = _lines(text)
        told = [Fault(_dotted(path), _line(path, lines), what) for path, what in faults]
        raise BadPolicy(file, sorted(told, key=lambda fault: fault.line or math.inf))
    return policy


def _policy(top: Section) -> Policy:
    models = top.table("model")
    if not models.values:
        models.fault(None, 'is missing: add [model.NAME] with pipeline = "module:pipeline"')
    policy = Policy(
        models=tuple(
            _model(models.table(name, "a model's settings stand in [model.NAME]"), name) for name in models
        ),
        service=_service(top.table("service")),
        seed=top.whole("seed", 0, SEED),
        threads=top.whole("threads", None, COUNT),
    )
    top.close()
    return policy


def _model(section: Section, name: str) -> ModelPolicy:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,63}", name):
        section.fault(None, "is no name for a model: letters, digits, _ and -, a letter first, 64 at most")
    if "pipeline" not in section:
        section.fault("pipeline", f'is missing: write pipeline = "pipeline:{name}"')
    model = ModelPolicy(
        name=name,
        pipeline=section.text("pipeline", "", PIPELINE),
        parameters=_parameters(section.table("parameters")),
        gates=_gates(section.table("gates")),
        promotion=cast("Promotion", section.text("promotion", "automatic", PROMOTION)),
        monitor=_monitor(section.table("monitor")),
        retrain=_retrain(section.table("retrain")),
    )
    section.close()
    return model


def _parameters(section: Section) -> dict[str, dict[str, Json]]:
    steps = {step: section.table(step, "a parameter is written `step.parameter = value`") for step in section}
    return {step: {name: table.json(name) for name in table} for step, table in steps.items()}


def _gates(section: Section) -> tuple[Gate, ...]:
    wanted = 'a gate is { at_least = x }, { at_most = x } or { no_worse_than = "champion", margin = x }'
    return tuple(_gate(metric, section.table(metric, wanted)) for metric in section)


def _gate(metric: str, table: Section) -> Gate:
    compares = table.take("no_worse_than") is not None
    gate = _comparison(metric, table) if compares else _threshold(metric, table)
    table.close()
    return gate


def _threshold(metric: str, table: Section) -> Threshold:
    at_least, at_most = table.number("at_least", None, ANY), table.number("at_most", None, ANY)
    if not table.values:
        table.fault(None, "needs at_least, at_most or no_worse_than")
    if at_least is not None and at_most is not None and at_least > at_most:
        table.fault(None, f"can never pass: at_least {at_least} is above at_most {at_most}")
    return Threshold(metric=metric, at_least=at_least, at_most=at_most)


def _comparison(metric: str, table: Section) -> NoWorse:
    return NoWorse(
        metric=metric,
        than=table.text("no_worse_than", "champion", ALIAS),
        margin=table.number("margin", 0.0, NOT_NEGATIVE),
        alpha=table.number("alpha", 0.05, PROBABILITY),
    )


def _monitor(section: Section) -> MonitorPolicy:
    usual = MonitorPolicy()
    monitor = MonitorPolicy(
        false_alarm=section.number("false_alarm", usual.false_alarm, PROBABILITY),
        block=section.text("block", usual.block, BLOCK),
        loss=_tolerated(section),
        tolerance=_tolerance(section, usual.tolerance),
        maturity=section.seconds("maturity", None),
    )
    section.close()
    return monitor


def _tolerated(section: Section) -> str | None:
    """The loss that a table of tolerances names first."""
    table = section.values.get("tolerance")
    return next((str(name) for name in table if name != "drift"), None) if isinstance(table, dict) else None


def _tolerance(section: Section, usual: float) -> float:
    """A number, or a table with one: `{ log_loss = 0.02 }` reads better, and a pipeline has one loss."""
    if not isinstance(section.values.get("tolerance"), dict):
        return section.number("tolerance", usual, NOT_NEGATIVE)
    table = section.table("tolerance")
    if table.take("drift", told=False) is not None:
        table.fault("drift", "is not watched in this release: leave it out")
    losses = [name for name in table if name != "drift"]
    if len(losses) > 1:
        section.fault("tolerance", f"names {len(losses)} losses, and a pipeline has one")
    return next((table.number(name, usual, NOT_NEGATIVE) for name in losses), usual)


def _retrain(section: Section) -> RetrainPolicy:
    on, every = _triggers(section), section.seconds("every", None)
    if section.take("schedule", told=False) is not None:
        section.fault("schedule", 'cron rules are not in this release: write every = "7d", or another span')
    elif "schedule" in on and "every" not in section:
        section.fault("every", 'is missing, and on has "schedule": write every = "28d"')
    elif "every" in section and "schedule" not in on:
        section.fault("every", 'does nothing unless on has "schedule"')
    retrain = RetrainPolicy(
        on=on, every=every, cooldown=section.seconds("cooldown", RetrainPolicy().cooldown)
    )
    section.close()
    return retrain


def _triggers(section: Section) -> tuple[Trigger, ...]:
    given = section.take("on")
    if given is None:
        return ()
    if not isinstance(given, list):
        section.fault("on", f'is {_shown(given)}, not a list: write on = ["performance", "schedule"]')
        return ()
    for item in given:
        if item not in TRIGGERS:
            section.fault(
                "on", f"has {_shown(item)}; in this release it may have {' and '.join(map(_shown, TRIGGERS))}"
            )
    return tuple(trigger for trigger in TRIGGERS if trigger in given)


def _service(section: Section) -> ServicePolicy:
    usual = ServicePolicy()
    service = ServicePolicy(
        host=section.text("host", usual.host, LOOPBACK),
        port=section.whole("port", usual.port, PORT),
        max_body=section.bytes("max_body", usual.max_body),
        max_rows=section.whole("max_rows", usual.max_rows, COUNT),
    )
    section.close()
    return service


class Rule(NamedTuple):
    """What a value must be, for a reader and for the check."""

    words: str
    holds: Callable[[Any], bool]


def _matches(pattern: str) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(pattern, text) is not None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


SPAN = r"([1-9][0-9]*)([smhdw])"
ANY = Rule("a finite number", lambda x: True)
NEVER = Rule("a finite number", lambda x: False)
NOT_NEGATIVE = Rule("0 or more", lambda x: x >= 0)
PROBABILITY = Rule("between 0 and 1", lambda x: 0 < x < 1)
COUNT = Rule("1 or more", lambda x: 1 <= x < 2**31)
PORT = Rule("a port from 0 to 65535, 0 for any that is free", lambda x: 0 <= x <= 65_535)
SEED = Rule("from 0 to 4294967295, for numpy takes no other", lambda x: 0 <= x < 2**32)
PIPELINE = Rule(
    'a module and a name in it, as in "pipeline:delay"',
    _matches(r"(?!.*\.py:)[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*"),
)
PROMOTION = Rule('"automatic" or "manual"', ("automatic", "manual").__contains__)
ALIAS = Rule('an alias, as "champion" is', _matches(r"[a-z][a-z0-9_-]*"))
BLOCK = Rule('"row", or a count and a unit of s, m, h, d, w, as in "1d"', _matches(rf"row|{SPAN}"))
LOOPBACK = Rule(
    "this machine alone, as 127.0.0.1 is: a service listens on loopback until tokens exist", _is_loopback
)

D = TypeVar("D")


class Section:
    """One table of the file, read leaf by leaf: what does not fit is noted, and the default stands in for it."""

    def __init__(self, values: Mapping[str, Any], path: KeyPath, faults: list[tuple[KeyPath, str]]) -> None:
        self.values = values
        self._path = path
        self._faults = faults
        self._known: dict[str, bool] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def fault(self, key: str | None, what: str) -> None:
        """Note a fault of one key, or of the table itself."""
        self._faults.append((self._path if key is None else (*self._path, key), what))

    def take(self, key: str, *, told: bool = True) -> Any:
        """A value as it is, None when it is not there. `told`: whether a reader may hear of this setting."""
        self._known[key] = told
        return self.values.get(key)

    def table(self, key: str, wanted: str = "it must be a table") -> Section:
        """A table in this one; where something else stands, its own settings are not asked for any more."""
        value = self.take(key)
        if value is None or isinstance(value, dict):
            return Section(value or {}, (*self._path, key), self._faults)
        self.fault(key, f"is {_shown(value)}: {wanted}")
        return Section({}, (*self._path, key), [])

    def text(self, key: str, default: str, rule: Rule) -> str:
        value = self._typed(key, str, "text in quotes")
        return default if value is None or not self._holds(key, value, rule) else value

    def number(self, key: str, default: D, rule: Rule) -> float | D:
        value = self._typed(key, (int, float), "a number")
        if value is None:
            return default
        finite = abs(value) <= sys.float_info.max  # false for NaN too
        return float(value) if self._holds(key, value, rule if finite else NEVER) else default

    def whole(self, key: str, default: D, rule: Rule) -> int | D:
        value = self._typed(key, int, "a whole number")
        return default if value is None or not self._holds(key, value, rule) else value

    def seconds(self, key: str, default: D) -> float | D:
        """A span of time: a count and a unit."""
        value = self.take(key)
        if value is None:
            return default
        parts = re.fullmatch(SPAN, value) if isinstance(value, str) else None
        if parts is None:
            self.fault(key, f'is {_shown(value)}: write a count and a unit of s, m, h, d, w, as in "28d"')
            return default
        span = float(int(parts[1]) * SECONDS[parts[2]])
        return (
            span if self._holds(key, value, Rule("a century at most", lambda _: span <= LONGEST)) else default
        )

    def bytes(self, key: str, default: int) -> int:
        """A size: a count of bytes, or a count and a unit."""
        value = self.take(key)
        if value is None:
            return default
        parts = re.fullmatch(r"([1-9][0-9]*) ?(\w+)", f"{value} B" if _is_a(value, int) else str(value))
        if parts is None or parts[2] not in BYTES:
            self.fault(
                key, f'is {_shown(value)}: write a count and a unit of {", ".join(BYTES)}, as in "16MiB"'
            )
            return default
        size = int(parts[1]) * BYTES[parts[2]]
        return size if self._holds(key, value, Rule("1 TiB at most", lambda _: size <= 2**40)) else default

    def json(self, key: str) -> Json:
        """A parameter's value: what JSON can hold."""
        value = self.take(key)
        if problem := _not_json(value):
            self.fault(key, f"is {_shown(value)}: {problem}")
        return cast("Json", value)

    def close(self) -> None:
        """Note what nobody asked for."""
        known = [key for key, told in self._known.items() if told]
        for key in self.values:
            if key not in self._known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"here may stand {', '.join(known)}"
                self.fault(key, f"is not a setting of this release; {hint}")

    def _typed(self, key: str, kind: type | tuple[type, ...], words: str) -> Any:
        value = self.take(key)
        if value is None or _is_a(value, kind):
            return value
        self.fault(key, f"is {_shown(value)}, not {words}")
        return None

    def _holds(self, key: str, value: object, rule: Rule) -> bool:
        if rule.holds(value):
            return True
        self.fault(key, f"is {_shown(value)}; it must be {rule.words}")
        return False


def _is_a(value: object, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)  # to Python, true is the number 1


def _not_json(value: object) -> str | None:
    """Why a value cannot be a parameter; None when it can."""
    match value:
        case bool() | str():
            return None
        case int():
            return None if -(2**63) <= value < 2**63 else "a whole number has 64 bits at most"
        case float():
            return None if math.isfinite(value) else "a number must be finite"
        case list():
            return next((problem for item in value if (problem := _not_json(item))), None)
        case dict():
            return next((problem for item in value.values() if (problem := _not_json(item))), None)
        case _:
            return "a date or time is given as text, in quotes"


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= WIDEST else text[: WIDEST - 4] + " ..."


def _lines(text: str) -> dict[KeyPath, int]:
    """Where each table and each key of a valid TOML text first stands, keys inside `{ }` left out."""
    found: dict[KeyPath, int] = {}
    table: KeyPath = ()
    keys: list[str] = []
    where, depth, line = "key", 0, 1
    for token in TOKEN.findall(text):
        if where == "value":
            depth += (token in "[{") - (token in "]}")
            where = "key" if token == "\n" and not depth else "value"
        elif token == "\n":
            where, keys = "key", []
        elif token == "[":
            where = "header"
        elif token in "=]":
            path = (*(table if where == "key" else ()), *keys)
            for end in range(1, len(path) + 1):
                found.setdefault(path[:end], line)
            if where == "header":
                table = path
            keys, where = [], "value" if token == "=" else "key"
        elif token != "." and not token.startswith("#"):
            keys.append(next(iter(tomllib.loads(f"{token} = 0"))))
        line += token.count("\n")
    return found


TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}' r"|'''.*?'{3,5}"  # text over several lines, which may end in one or two quotes
    r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'"
    r"|#[^\n]*|\n|[\[\]{}=.,]|[^\s\[\]{}=.,#\"']+",
    re.DOTALL,
)  # fmt: skip


def _line(path: KeyPath, lines: Mapping[KeyPath, int]) -> int | None:
    """The line of a key, else of the nearest table around it."""
    around = (path[:depth] for depth in range(len(path), 0, -1))
    return next((lines[part] for part in around if part in lines), None)


def _dotted(path: KeyPath) -> str:
    return ".".join(key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key) for key in path)


def _syntax(error: tomllib.TOMLDecodeError) -> Fault:
    """The parser knows the place in words alone, before Python 3.14."""
    what, _, place = str(error).rpartition(" (at ")
    line = re.search(r"line (\d+)", place)
    return Fault("", int(line[1]) if line else None, f"no TOML: {what or error}")


class Fault(NamedTuple):
    """One thing that is wrong in a file."""

    path: str
    line: int | None
    what: str

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{self.path} {self.what}" if self.path else f"{where}{self.what}"


@dataclass(eq=False)
class BadPolicy(ConfigError):
    code: ClassVar[str] = "POLICY-INVALID"
    what: ClassVar[str] = "{file} has {count}\n{listing}"
    next: ClassVar[str] = "correct {file}, then try again"
    file: str
    faults: Sequence[Fault]

    def facts(self) -> dict[str, object]:
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        return {**super().facts(), "count": count, "listing": "\n".join(map(str, self.faults))}


@dataclass(eq=False)
class NoPolicy(ConfigError):
    code: ClassVar[str] = "POLICY-MISSING"
    what: ClassVar[str] = "{file} cannot be read: {reason}"
    next: ClassVar[str] = "noria init"
    file: str
    reason: str


@dataclass(eq=False)
class NoProject(ConfigError):
    code: ClassVar[str] = "PROJECT-MISSING"
    what: ClassVar[str] = "there is no noria.toml in {start} or in a folder above it"
    next: ClassVar[str] = "go to a project's folder, or make one here: noria init"
    start: str

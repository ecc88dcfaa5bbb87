"""noria.toml, checked as a whole: what stands in it becomes a `Policy`, or every fault is told at once."""

from __future__ import annotations

import ipaddress
import math
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, cast

from noria.app.alarm_settings import alarms_of
from noria.app.gate_settings import gates_of
from noria.app.installation import data_of, engine_of, environment_of, keep_of, store_of
from noria.app.log_settings import log_of
from noria.app.monitor_settings import monitor_of
from noria.app.places import Fault, dotted, line_of, lines_of, syntax_fault
from noria.app.rollout_settings import rollout_of
from noria.app.sections import (
    COUNT,
    KeyPath,
    Rule,
    Section,
    matches,
    shown,
)
from noria.app.tls_settings import tls_of
from noria.errors import ConfigError
from noria.records.base import Json
from noria.records.policy import (
    MOST_WORKERS,
    Durability,
    Loading,
    ModelPolicy,
    Policy,
    RetrainPolicy,
    ServicePolicy,
)

FILE = "noria.toml"

Promotion = Literal["automatic", "manual"]
Trigger = Literal["drift", "performance", "schedule"]
TRIGGERS: tuple[Trigger, ...] = ("drift", "performance", "schedule")


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
        raise BadPolicy(file, [syntax_fault(error)]) from error
    faults: list[tuple[KeyPath, str]] = []
    policy = _policy(Section(values, (), faults))
    if faults:
        lines = lines_of(text)
        told = [Fault(dotted(path), line_of(path, lines), what) for path, what in faults]
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
        alarms=alarms_of(top.table("alarms"), list(models.values)),
        store=store_of(top.table("store")),
        engine=engine_of(top),
        environment=environment_of(top.table("environment")),
        keep=keep_of(top.table("keep")),
        seed=top.whole("seed", 0, SEED),
        threads=top.whole("threads", None, COUNT),
    )
    for model in policy.models:
        if model.rollout and model.rollout.strategy != "replace" and policy.service.durability == "off":
            section = top.table("model").table(model.name)
            section.fault("rollout", 'would see no answers: [service] durability is "off"')
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
        gates=gates_of(section.table("gates"), name),
        promotion=cast("Promotion", section.text("promotion", "automatic", PROMOTION)),
        monitor=monitor_of(section.table("monitor")),
        retrain=_retrain(section.table("retrain")),
        data=data_of(section.table("data")),
        rollout=rollout_of(section),
    )
    section.close()
    return model


def _parameters(section: Section) -> dict[str, dict[str, Json]]:
    steps = {step: section.table(step, "a parameter is written `step.parameter = value`") for step in section}
    return {step: {name: table.json(name) for name in table} for step, table in steps.items()}


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
        section.fault("on", f'is {shown(given)}, not a list: write on = ["performance", "schedule"]')
        return ()
    for item in given:
        if item not in TRIGGERS:
            section.fault(
                "on", f"has {shown(item)}; in this release it may have {' and '.join(map(shown, TRIGGERS))}"
            )
    return tuple(trigger for trigger in TRIGGERS if trigger in given)


def _service(section: Section) -> ServicePolicy:
    usual = ServicePolicy()
    service = ServicePolicy(
        host=section.text("host", usual.host, ADDRESS),
        port=section.whole("port", usual.port, PORT),
        max_body=section.bytes("max_body", usual.max_body),
        max_rows=section.whole("max_rows", usual.max_rows, COUNT),
        workers=section.whole("workers", usual.workers, WORKERS),
        spare=section.flag("spare", usual.spare),
        deadline=section.seconds("deadline", usual.deadline),
        patience=section.seconds("patience", usual.patience),
        grpc_port=section.whole("grpc_port", usual.grpc_port, PORT),
        traces=section.text("traces", usual.traces, COLLECTOR),
        durability=cast("Durability", section.text("durability", usual.durability, DURABILITY)),
        log=log_of(section.table("log")),
        load=cast("Loading", section.text("load", usual.load, LOADING)),
        idle=section.seconds("idle", usual.idle),
        auth=cast('Literal["tokens", "off"]', section.text("auth", usual.auth, AUTH)),
        tls=tls_of(section),
    )
    if service.auth == "off" and not _is_loopback(service.host):
        section.fault("auth", f'is "off", and {service.host} is no loopback address: anybody could ask')
    section.close()
    return service


def _is_address(host: str) -> bool:
    try:
        return host == "localhost" or bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


WORKERS = Rule(f"1 to {MOST_WORKERS}", lambda x: 1 <= x <= MOST_WORKERS)
PORT = Rule("a port from 0 to 65535, 0 for any that is free", lambda x: 0 <= x <= 65_535)
SEED = Rule("from 0 to 4294967295, for numpy takes no other", lambda x: 0 <= x < 2**32)
PIPELINE = Rule(
    'a module and a name in it, as in "pipeline:delay"',
    matches(r"(?!.*\.py:)[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*"),
)
PROMOTION = Rule('"automatic" or "manual"', ("automatic", "manual").__contains__)
LOADING = Rule('"asked" or "start"', ("asked", "start").__contains__)
DURABILITY = Rule('"sync", "async" or "off"', ("sync", "async", "off").__contains__)
COLLECTOR = Rule(
    'a collector\'s address, as "http://127.0.0.1:4318" is', matches(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
)
AUTH = Rule('"tokens" or "off"', ("tokens", "off").__contains__)
ADDRESS = Rule("an IP address of this machine, as 127.0.0.1 is, or 0.0.0.0 for all of them", _is_address)


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

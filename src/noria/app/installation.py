"""The tables of noria.toml that say where Noria itself runs and keeps things, and what new data is held to."""

from __future__ import annotations

from typing import Literal, cast

from noria.app.sections import COUNT, NOT_NEGATIVE, Rule, Section, matches
from noria.records.policy import DataPolicy, EnginePolicy, EnvironmentPolicy, KeepPolicy, StorePolicy

SHARE = Rule("a share from 0 to 1", lambda x: 0 <= x <= 1)
NO_PASSWORD = r"(?![^/@]*://[^/@]*:[^/@]*@)"  # a file under version control is no place for one
RECORDS = Rule(
    "postgresql://host/database or sqlite:///file, without a password: it stands in PGPASSWORD or ~/.pgpass",
    matches(NO_PASSWORD + r"(postgresql|sqlite)://.+"),
)
OBJECTS = Rule(
    "s3://bucket/prefix, gs://... or az://..., without credentials: they stand in the environment",
    matches(NO_PASSWORD + r"(s3|gs|az|file)://.+"),
)
ENGINE = Rule('"local" or "ray"', ("local", "ray").__contains__)
BUILD = Rule('"auto", "current" or "locked"', ("auto", "current", "locked").__contains__)
CANARY = Rule('"refuse", "warn" or "off"', ("refuse", "warn", "off").__contains__)
ADDRESS = Rule(
    "host:port of a Ray head, with a node of that cluster on this machine (ray:// cannot hand on what a step prints)",
    matches(r"[^\s:/]+:[0-9]{1,5}|auto"),
)
OF_RAY = ("address", "grows", "variables")
OF_ONE_MACHINE = ("cpus", "gpus", "memory")


def store_of(section: Section) -> StorePolicy:
    """`[store]`"""
    store = StorePolicy(
        records=section.text("records", "", RECORDS) or None,
        objects=section.text("objects", "", OBJECTS) or None,
    )
    section.close()
    return store


def engine_of(top: Section) -> EnginePolicy:
    """`engine = "ray"`, or `[engine]` with more to say."""
    if isinstance(top.values.get("engine"), str):
        kind = top.text("engine", "local", ENGINE)
        return EnginePolicy(kind=cast(Literal["local", "ray"], kind))
    section = top.table("engine", 'write engine = "ray", or a table [engine]')
    _fitting_together(section)
    engine = EnginePolicy(
        kind=cast(Literal["local", "ray"], section.text("kind", "local", ENGINE)),
        cpus=section.whole("cpus", None, COUNT),
        gpus=section.whole("gpus", None, NOT_NEGATIVE),
        memory=section.bytes("memory", 0) or None,
        address=section.text("address", "", ADDRESS) or None,
        grows=section.flag("grows", False),
        variables=_names(section, "variables", 'write ["AWS_*", "ANOTHER"]'),
    )
    section.close()
    return engine


def _fitting_together(section: Section) -> None:
    """What says nothing beside the rest would be a setting that is silently without effect."""
    if section.values.get("kind", "local") == "local":
        for key in OF_RAY:
            if key in section:
                section.fault(key, 'is for kind = "ray"')
    elif "address" in section:
        for key in OF_ONE_MACHINE:
            if key in section:
                section.fault(key, "is for one machine: a cluster says itself what its nodes have")


def environment_of(section: Section) -> EnvironmentPolicy:
    """`[environment]`"""
    build = section.text("build", EnvironmentPolicy().build, BUILD)
    section.close()
    return EnvironmentPolicy(build=cast(Literal["auto", "current", "locked"], build))


def keep_of(section: Section) -> KeepPolicy:
    """`[keep]`"""
    usual = KeepPolicy()
    keep = KeepPolicy(
        runs=section.whole("runs", usual.runs, NOT_NEGATIVE),
        seconds=section.seconds("younger", usual.seconds),
    )
    section.close()
    return keep


def data_of(section: Section) -> DataPolicy:
    """`[model.x.data]`: a limit of `false` leaves that check out."""
    usual = DataPolicy()
    canary = section.text("canary", usual.canary, CANARY)
    data = DataPolicy(
        canary=cast(Literal["refuse", "warn", "off"], canary),
        missing=_limit(section, "missing", usual.missing, SHARE),
        range=_limit(section, "range", usual.range, NOT_NEGATIVE),
        categories=_limit(section, "categories", usual.categories, SHARE),
        volume=_limit(section, "volume", usual.volume, NOT_NEGATIVE),
        leakage=_limit(section, "leakage", usual.leakage, SHARE),
        overlap=_limit(section, "overlap", usual.overlap, SHARE),
        time_order=cast(
            Literal["refuse", "warn", "off"], section.text("time_order", usual.time_order, CANARY)
        ),
        ignore=_names(section, "ignore"),
    )
    section.close()
    return data


def _limit(section: Section, key: str, usual: float | None, rule: Rule) -> float | None:
    if section.values.get(key) is False:
        section.take(key)
        return None
    return section.number(key, usual, rule)


def _names(section: Section, key: str, right: str = 'write ["column", "another"]') -> tuple[str, ...]:
    given = section.take(key)
    if given is None:
        return ()
    if isinstance(given, list) and all(isinstance(name, str) for name in given):
        return tuple(given)
    section.fault(key, f"is no list of names: {right}")
    return ()

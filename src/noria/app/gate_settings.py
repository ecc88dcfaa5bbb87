"""`[model.x.gates]` of noria.toml: each key a gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast, get_args

from noria.app.sections import ANY, NOT_NEGATIVE, PROBABILITY, Rule, Section, matches, shown
from noria.records.gates import (
    Approved,
    Better,
    Calibration,
    Cost,
    Expectation,
    Gate,
    Measure,
    NoWorse,
    Reproducible,
    Robustness,
    Schema,
    Threshold,
)

ALIAS = r"[a-z][a-z0-9_-]*"
WANTED = (
    'a gate is { at_least = x }, { at_most = x }, { no_worse_than = "champion", margin = x } or '
    '{ better_than = "champion" }'
)
POSITIVE = Rule("over 0", lambda x: x > 0)
SHARE = Rule("from 0 to under 1", lambda x: 0 <= x < 1)


def gates_of(section: Section, model: str) -> tuple[Gate, ...]:
    """Every gate of the table in its order; what is rebuilt or waits for a person comes last, for it takes longest."""
    gates = [gate for name in section for gate in _gate(section, name, model)]
    late = [gate for gate in gates if isinstance(gate, Reproducible | Approved)]
    return (*(gate for gate in gates if gate not in late), *late)


def _gate(section: Section, name: str, model: str) -> list[Gate]:
    word = WORDS.get(name)
    if word is not None and not isinstance(section.values.get(name), dict | list):
        return [word(section)]
    if name in TABLES:
        return [_closed(section.table(name, f"{name} is {EXAMPLES[name]}"), TABLES[name])]
    if name in get_args(Measure):
        table = section.table(name, f"{name} is {{ at_most = x }}")
        return [_closed(table, lambda found: _cost(cast("Measure", name), found))]
    if word is not None and name != "reproducible":
        section.fault(name, f"is {shown(section.values[name])}: write {EXAMPLES[name]}")
        return []
    return [_closed(each, lambda found: _metric(name, found, model)) for each in section.tables(name, WANTED)]


def _closed(table: Section, made: Callable[[Section], Gate]) -> Gate:
    gate = made(table)
    table.close()
    return gate


def _metric(name: str, table: Section, model: str) -> Gate:
    compares = [word for word in ("no_worse_than", "better_than") if table.take(word) is not None]
    if len(compares) > 1:
        table.fault(None, "has no_worse_than and better_than: write a list of two tables")
    if not compares:
        return _threshold(name, table)
    return (_no_worse if compares[0] == "no_worse_than" else _better)(name, table, model)


def _threshold(metric: str, table: Section) -> Threshold:
    at_least, at_most = table.number("at_least", None, ANY), table.number("at_most", None, ANY)
    if not table.values:
        table.fault(None, "needs at_least, at_most or no_worse_than")
    if at_least is not None and at_most is not None and at_least > at_most:
        table.fault(None, f"can never pass: at_least {at_least} is above at_most {at_most}")
    return Threshold(metric=metric, at_least=at_least, at_most=at_most)


def _no_worse(metric: str, table: Section, model: str) -> NoWorse:
    than = table.text("no_worse_than", "champion", _other(model))
    if than != "champion":
        for name in ("anchor", "anchor_margin"):
            if name in table:
                table.fault(name, "belongs to a comparison with the champion")
    gate = NoWorse(
        metric=metric,
        than=than,
        margin=table.number("margin", 0.0, NOT_NEGATIVE),
        alpha=table.number("alpha", 0.05, PROBABILITY),
        segments=table.columns("segments"),
        anchor=table.flag("anchor", True),
        anchor_margin=table.number("anchor_margin", None, NOT_NEGATIVE),
    )
    if gate.anchor_margin is not None and not gate.anchor:
        table.fault("anchor_margin", "does nothing where anchor = false")
    return gate


def _better(metric: str, table: Section, model: str) -> Better:
    return Better(
        metric=metric,
        than=table.text("better_than", "champion", _other(model)),
        by=table.number("by", 0.0, NOT_NEGATIVE),
        alpha=table.number("alpha", 0.05, PROBABILITY),
        segments=table.columns("segments"),
    )


def _other(model: str) -> Rule:
    """Whom a candidate is compared with."""
    return Rule(
        f'an alias, as "champion" is, or a version of this model, as "{model}:3" is',
        matches(rf"(?!anchor$){ALIAS}|{model}:[1-9][0-9]*"),
    )


def _calibration(table: Section) -> Gate:
    return Calibration(at_most=_limit(table), alpha=table.number("alpha", 0.05, PROBABILITY))


def _cost(measure: Measure, table: Section) -> Gate:
    return Cost(measure=measure, at_most=_limit(table))


def _robustness(table: Section) -> Gate:
    gate = Robustness(
        at_most=_limit(table),
        noise=table.number("noise", 0.0, NOT_NEGATIVE),
        missing=table.number("missing", 0.0, SHARE),
        alpha=table.number("alpha", 0.05, PROBABILITY),
    )
    if not gate.noise and not gate.missing:
        table.fault(None, "perturbs nothing: give noise, missing or both")
    return gate


def _limit(table: Section) -> float:
    if "at_most" not in table:
        table.fault("at_most", "is missing: at_most = x")
    return table.number("at_most", 1.0, POSITIVE)


def _reproducible(section: Section) -> Gate:
    least = section.text("reproducible", "bit", _one_of("bit", "tolerance"))
    return Reproducible(least=cast("Literal['bit', 'tolerance']", least))


def _schema(section: Section) -> Gate:
    least = section.text("schema", "compatible", _one_of("compatible", "same", "off"))
    return Schema(least=cast("Literal['compatible', 'same', 'off']", least))


def _expectations(section: Section) -> Gate:
    return Expectation(off=section.text("expectations", "required", _one_of("required", "off")) == "off")


def _approval(section: Section) -> Gate:
    section.text("approval", "required", _one_of("required"))
    return Approved()


def _one_of(*words: str) -> Rule:
    quoted = [f'"{word}"' for word in words]
    told = quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
    return Rule(told, words.__contains__)


WORDS: dict[str, Callable[[Section], Any]] = {
    "reproducible": _reproducible,
    "schema": _schema,
    "expectations": _expectations,
    "approval": _approval,
}
TABLES: dict[str, Callable[[Section], Gate]] = {"calibration": _calibration, "robustness": _robustness}
EXAMPLES = {
    "schema": '"compatible", "same" or "off"',
    "expectations": '"required" or "off"',
    "approval": '"required"',
    "calibration": "{ at_most = 0.02 }",
    "robustness": "{ noise = 0.01, missing = 0.05, at_most = 0.02 }",
}

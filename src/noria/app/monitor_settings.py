"""`[model.x.monitor]`: what is watched of a model, how closely, and what nobody minds."""

from __future__ import annotations

from noria.app.sections import NOT_NEGATIVE, PROBABILITY, SPAN, Rule, Section, matches
from noria.monitor.blocks import block_span
from noria.monitor.strata import RHYTHMS, sees
from noria.records.policy import MonitorPolicy

BLOCK = Rule('"row", or a count and a unit of s, m, h, d, w, as in "1d"', matches(rf"row|{SPAN}"))
DISTANCE = Rule("from 0 to under 1: a distance between distributions", lambda x: 0 <= x < 1)
SHARE = Rule("a share from 0 to 1", lambda x: 0 <= x <= 1)
STRATA = Rule('"auto", "none", "hour of week", "hour" or "weekday"', ("auto", "none", *RHYTHMS).__contains__)
POSITIVE = Rule("above 0", lambda x: x > 0)


def monitor_of(section: Section) -> MonitorPolicy:
    """`[model.x.monitor]`"""
    usual = MonitorPolicy()
    loss, drift = _tolerances(section)
    strata = section.text("strata", usual.strata, STRATA)
    monitor = MonitorPolicy(
        false_alarm=section.number("false_alarm", None, PROBABILITY),
        block=section.text("block", usual.block, BLOCK),
        loss=_tolerated(section),
        tolerance=loss,
        drift=drift,
        maturity=section.seconds("maturity", None),
        segments=section.columns("segments"),
        search=section.flag("search", usual.search),
        strata=strata,
        latency_ms=section.number("latency_ms", None, POSITIVE),
        slow=section.number("slow", usual.slow, SHARE),
        errors=section.number("errors", usual.errors, SHARE),
        missing=section.number("missing", usual.missing, SHARE),
        outside=section.number("outside", usual.outside, SHARE),
        volume=section.number("volume", usual.volume, NOT_NEGATIVE),
    )
    if "slow" in section and "latency_ms" not in section:
        section.fault("slow", "does nothing without latency_ms, which says what slow is")
    if strata in RHYTHMS and not sees(strata, block_span(monitor.block)):
        section.fault("strata", f"does nothing: all blocks of {monitor.block} are alike by their {strata}")
    section.close()
    return monitor


def _tolerances(section: Section) -> tuple[float, float]:
    """Of the loss and of drift: a number for the loss alone, or a table: `{ drift = 0.1, log_loss = 0.02 }`."""
    usual = MonitorPolicy()
    if not isinstance(section.values.get("tolerance"), dict):
        return section.number("tolerance", usual.tolerance, NOT_NEGATIVE), usual.drift
    table = section.table("tolerance")
    drift = table.number("drift", usual.drift, DISTANCE)
    losses = [name for name in table if name != "drift"]
    if len(losses) > 1:
        section.fault("tolerance", f"names {len(losses)} losses, and a pipeline has one")
    of_loss = next((table.number(name, usual.tolerance, NOT_NEGATIVE) for name in losses), usual.tolerance)
    return of_loss, drift


def _tolerated(section: Section) -> str | None:
    """The loss that a table of tolerances names first."""
    table = section.values.get("tolerance")
    return next((str(name) for name in table if name != "drift"), None) if isinstance(table, dict) else None

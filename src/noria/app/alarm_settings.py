"""`[alarms]`: the budget of false alarms over all models, and where alarms go."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any, Literal, cast

from noria.app.sections import PROBABILITY, Rule, Section, matches, shown
from noria.records.channels import (
    LOG,
    AlarmPolicy,
    AlertmanagerChannel,
    Channel,
    EmailChannel,
    LogChannel,
    SlackChannel,
    WebhookChannel,
)
from noria.records.monitoring import SEVERITIES, Severity

KINDS = ("log", "webhook", "slack", "email", "alertmanager")
KIND = Rule(" or ".join(f'"{kind}"' for kind in KINDS), KINDS.__contains__)
NAME = r"[A-Za-z][A-Za-z0-9_-]{0,63}"
SEVERITY = Rule(" or ".join(f'"{one}"' for one in SEVERITIES), SEVERITIES.__contains__)
URL = Rule(
    "an address as https://host/path, without a password: one that is a secret itself stands in a variable, url_from",
    matches(r"https?://[^\s/@]+(/\S*)?"),
)
VARIABLE = Rule("the name of an environment variable, not its value", matches(r"[A-Za-z_][A-Za-z0-9_]*"))
FILE = Rule("the name of a file", lambda name: bool(name.strip()))
HOST = Rule("a host's name or address", matches(r"[A-Za-z0-9.:\[\]-]+"))
PORT = Rule("a port from 1 to 65535", lambda x: 1 <= x <= 65_535)
ADDRESS = Rule("an e-mail address", matches(r"[^\s@<>,]+@[^\s@<>,]+"))
TLS = Rule('"starttls", "tls" or "off"', ("starttls", "tls", "off").__contains__)


def alarms_of(section: Section, models: Collection[str]) -> AlarmPolicy:
    """`[alarms]`; `models`: those that the file has."""
    share = section.number("false_alarm", AlarmPolicy().false_alarm, PROBABILITY)
    channels = section.table("to", "channels stand in [alarms.to.NAME]")
    found = [_channel(channels.table(name), name, models) for name in channels]
    section.close()
    return AlarmPolicy(
        false_alarm=share, channels=(*(() if any(one.name == LOG.name for one in found) else (LOG,)), *found)
    )


def _channel(section: Section, name: str, models: Collection[str]) -> Channel:
    if not re.fullmatch(NAME, name):
        section.fault(None, "is no name for a channel: letters, digits, _ and -, a letter first")
    kind = section.text("kind", "", KIND)
    if section.values and "kind" not in section:
        section.fault("kind", f"is missing: {KIND.words}")
    if name == LOG.name and kind and kind != "log":
        section.fault(None, 'is the file that alarms are always written to: its kind is "log"')
    base = {
        "name": name,
        "models": _models(section, models),
        "least": cast("Severity", section.text("least", LOG.least, SEVERITY)),
    }
    made = MAKERS.get(kind, _log)(section, base)
    if kind in MAKERS:
        section.close()
    return made


def _log(section: Section, base: dict[str, Any]) -> Channel:
    return LogChannel(**base, path=section.text("path", LOG.path, FILE))


def _webhook(section: Section, base: dict[str, Any]) -> Channel:
    return WebhookChannel(**base, **_address(section), secret=section.text("secret", "", VARIABLE))


def _slack(section: Section, base: dict[str, Any]) -> Channel:
    return SlackChannel(**base, **_address(section))


def _alertmanager(section: Section, base: dict[str, Any]) -> Channel:
    return AlertmanagerChannel(**base, **_address(section))


def _address(section: Section) -> dict[str, Any]:
    """`url` or `url_from`, one of them."""
    given = [key for key in ("url", "url_from") if key in section]
    if len(given) != 1:
        both = (
            "has both url and url_from: one of them"
            if given
            else "needs url, or url_from with a variable's name"
        )
        section.fault(None, both)
    return {
        "url": section.text("url", "", URL),
        "url_from": section.text("url_from", "", VARIABLE),
        "ca": section.text("ca", "", FILE),
    }


def _email(section: Section, base: dict[str, Any]) -> Channel:
    for key in ("host", "from", "to"):
        if key not in section:
            section.fault(key, "is missing: an e-mail needs host, from and to")
    if ("user" in section) != ("password" in section):
        section.fault(None, "has one of user and password: both, or neither")
    tls = cast('Literal["starttls", "tls", "off"]', section.text("tls", "starttls", TLS))
    if tls == "off" and "password" in section:
        section.fault("tls", 'is "off": a password is not sent in the clear')
    return EmailChannel(
        **base,
        host=section.text("host", "", HOST),
        port=section.whole("port", 465 if tls == "tls" else 587, PORT),
        sender=section.text("from", "", ADDRESS),
        to=_list(section, "to", ADDRESS),
        user=section.text("user", "", VARIABLE),
        password=section.text("password", "", VARIABLE),
        tls=tls,
        ca=section.text("ca", "", FILE),
    )


def _models(section: Section, models: Collection[str]) -> tuple[str, ...]:
    return _list(
        section, "models", Rule(f"a model of this file: {', '.join(sorted(models))}", models.__contains__)
    )


def _list(section: Section, key: str, rule: Rule) -> tuple[str, ...]:
    given = section.take(key)
    if given is None:
        return ()
    items = [given] if isinstance(given, str) else given
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items) or not items:
        section.fault(key, f'is {shown(given)}: write ["one", "another"]')
        return ()
    for item in items:
        if not rule.holds(item):
            section.fault(key, f"has {shown(item)}; each must be {rule.words}")
    return tuple(items)


MAKERS: dict[str, Callable[[Section, dict[str, Any]], Channel]] = {
    "log": _log,
    "webhook": _webhook,
    "slack": _slack,
    "email": _email,
    "alertmanager": _alertmanager,
}

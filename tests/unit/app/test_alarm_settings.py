"""`[alarms]` of noria.toml."""

from __future__ import annotations

import pytest

from noria.app.config import BadPolicy, parse_policy
from noria.records.channels import (
    LOG,
    AlarmPolicy,
    AlertmanagerChannel,
    EmailChannel,
    LogChannel,
    SlackChannel,
    WebhookChannel,
)

MODEL = '[model.delay]\npipeline = "pipeline:delay"\n'
WHOLE = """[alarms]
false_alarm = 0.1

[alarms.to.ops]
kind = "webhook"
url = "https://ops.example.org/alarms"
secret = "OPS_SECRET"
ca = "ops.pem"
models = ["delay"]

[alarms.to.chat]
kind = "slack"
url_from = "CHAT_URL"
least = "critical"

[alarms.to.post]
kind = "email"
host = "mail.example.org"
from = "noria@example.org"
to = ["ops@example.org", "data@example.org"]
user = "MAIL_USER"
password = "MAIL_PASSWORD"

[alarms.to.prometheus]
kind = "alertmanager"
url = "http://127.0.0.1:9093"
"""


def test_every_setting_reaches_the_policy() -> None:
    assert parse_policy(MODEL + WHOLE, file="noria.toml").alarms == AlarmPolicy(
        false_alarm=0.1,
        channels=(
            LOG,
            WebhookChannel(
                name="ops",
                url="https://ops.example.org/alarms",
                secret="OPS_SECRET",
                ca="ops.pem",
                models=("delay",),
            ),
            SlackChannel(name="chat", url_from="CHAT_URL", least="critical"),
            EmailChannel(
                name="post",
                host="mail.example.org",
                sender="noria@example.org",
                to=("ops@example.org", "data@example.org"),
                user="MAIL_USER",
                password="MAIL_PASSWORD",
            ),
            AlertmanagerChannel(name="prometheus", url="http://127.0.0.1:9093"),
        ),
    )


def test_alarms_always_go_to_a_file() -> None:
    assert parse_policy(MODEL, file="noria.toml").alarms.channels == (LOG,)
    elsewhere = MODEL + '[alarms.to.log]\nkind = "log"\npath = "alarms.txt"\n'
    assert parse_policy(elsewhere, file="noria.toml").alarms.channels == (
        LogChannel(name="log", path="alarms.txt"),
    )


def test_all_faults_are_told_with_their_lines() -> None:
    text = """[alarms]
false_alarm = 1
[alarms.to.a]
kind = "pigeon"
[alarms.to.b]
url = "https://x.example.org"
[alarms.to.c]
kind = "webhook"
url = "https://user:word@x.example.org/"
secret = "not a variable"
[alarms.to.d]
kind = "webhook"
url = "https://x.example.org"
url_from = "X"
models = ["dealy"]
[alarms.to.e]
kind = "email"
host = "mail.example.org"
to = "nobody"
user = "U"
tls = "off"
[alarms.to.log]
kind = "slack"
url_from = "X"
[alarms.to.f]
kind = "slack"
url_from = "X"
least = "some"
urll = "x"
"""
    with pytest.raises(BadPolicy) as caught:
        parse_policy(MODEL + text, file="noria.toml")
    found = "\n".join(map(str, caught.value.faults))
    for said in (
        "line 4: alarms.false_alarm is 1; it must be between 0 and 1",
        'line 6: alarms.to.a.kind is "pigeon"; it must be "log" or "webhook"',
        "alarms.to.b.kind is missing",
        "line 11: alarms.to.c.url is",
        "without a password",
        'line 12: alarms.to.c.secret is "not a variable"; it must be the name of an environment variable',
        "line 13: alarms.to.d has both url and url_from",
        'line 17: alarms.to.d.models has "dealy"',
        "alarms.to.e.from is missing",
        'alarms.to.e.to has "nobody"; each must be an e-mail address',
        "alarms.to.e has one of user and password",
        'alarms.to.log is the file that alarms are always written to: its kind is "log"',
        'line 30: alarms.to.f.least is "some"',
        "line 31: alarms.to.f.urll is not a setting of this release",
    ):
        assert said in found

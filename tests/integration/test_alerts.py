"""Alarms arrive at real receivers: signed, encrypted, once for each id, and after a kill."""

from __future__ import annotations

import base64
import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from msgspec.structs import replace
from standardwebhooks import Webhook, WebhookVerificationError

from integration.alert_servers import Hook, alertmanager, alertmanager_binary, hook, mailbox
from integration.certificates import Authority
from noria.adapters.alerts import open_alert
from noria.adapters.alerts.alertmanager import posted
from noria.app.alarms.deliver import CLAIM, deliver
from noria.app.alarms.raising import changes_for
from noria.errors import BackendError, Unavailable
from noria.records.alarms import Notice
from noria.records.channels import AlertmanagerChannel, EmailChannel, LogChannel, SlackChannel, WebhookChannel
from noria.records.monitoring import Alarm
from unit.app.stored import START, TOML, history, opened

NOW = datetime(2025, 3, 2, 12, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
ALARM = Alarm(
    model="delay",
    version=3,
    monitor="missing",
    subject="<!channel> & co",
    raised=NOW,
    block=NOW,
    e_value=0.0,
    threshold=0.0,
    risk=0.0,
    bound=0.0,
    severity="warning",
    why="the column is missing in 40.0% of the rows",
    cause="the feed has lost it",
    action="noria monitor delay",
)
NOTICE = Notice(id="delay-17-ops", kind="raised", at=NOW, alarm=ALARM)


@pytest.fixture
def receiver() -> Iterator[Hook]:
    with hook() as made:
        yield made


def test_a_webhook_is_signed_as_its_receivers_check_it(
    receiver: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPS_SECRET", SECRET)
    channel = WebhookChannel(name="ops", url=receiver.url, secret="OPS_SECRET")
    open_alert(channel, tmp_path).send(NOTICE)
    ((headers, body),) = receiver.got
    told = Webhook(SECRET).verify(body.decode(), {name.lower(): value for name, value in headers.items()})
    assert told["alarm"]["why"] == ALARM.why
    assert headers["webhook-id".title()] == NOTICE.id
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(
            body.decode().replace("40.0", "4.0"), {name.lower(): value for name, value in headers.items()}
        )


@pytest.mark.parametrize(
    ("status", "family"), [(503, Unavailable), (429, Unavailable), (404, BackendError), (302, BackendError)]
)
def test_what_a_receiver_answers(
    receiver: Hook, tmp_path: Path, status: int, family: type[Exception]
) -> None:
    receiver.status = status
    with pytest.raises(family, match=str(status)) as caught:
        open_alert(WebhookChannel(name="ops", url=receiver.url + "?key=hush"), tmp_path).send(NOTICE)
    assert len(receiver.got) == 1, "nobody is followed elsewhere"
    assert "hush" not in str(caught.value)


def test_secrets_that_do_not_hold(receiver: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = WebhookChannel(name="ops", url=receiver.url, secret="OPS_SECRET")
    for value, said in (
        (None, "is not set"),
        ("$$", "no base64"),
        ("schlüssel", "no base64"),
        ("c2hvcnQ=", "has 5 bytes"),
    ):
        if value is not None:
            monkeypatch.setenv("OPS_SECRET", value)
        with pytest.raises(BackendError, match=said):
            open_alert(channel, tmp_path).send(NOTICE)
    with pytest.raises(BackendError, match="CHAT_URL, which is not set"):
        open_alert(SlackChannel(name="chat", url_from="CHAT_URL"), tmp_path).send(NOTICE)
    assert receiver.got == []


@pytest.mark.parametrize(
    "url",
    [
        "http://" + "a" * 70 + ".example.org/hush",
        "http://127.0.0.1:1/hüsh",
        "http://127.0.0.1:1/hush hush",
        "http://127.0.0.1:port/hush",
        "http://[::1/hush",
    ],
)
def test_addresses_that_cannot_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("CHAT_URL", url)
    with pytest.raises(BackendError) as caught:
        open_alert(SlackChannel(name="chat", url_from="CHAT_URL"), tmp_path).send(NOTICE)
    assert caught.value.code == "ALERT-REFUSED"
    assert "hush" not in str(caught.value) and "ü" not in str(caught.value)


def test_a_receiver_whose_certificate_nobody_vouches_for(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.certificate, authority.key)
    with hook(context) as made:
        with pytest.raises(BackendError, match="CERTIFICATE_VERIFY_FAILED"):
            open_alert(WebhookChannel(name="ops", url=made.url), tmp_path).send(NOTICE)
        open_alert(WebhookChannel(name="ops", url=made.url, ca="ca/ca.pem"), tmp_path).send(NOTICE)
        assert len(made.got) == 1


def test_slack_gets_text_that_calls_nobody(
    receiver: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_URL", receiver.url)
    open_alert(SlackChannel(name="chat", url_from="CHAT_URL"), tmp_path).send(NOTICE)
    text = json.loads(receiver.got[0][1])["text"]
    assert "&lt;!channel&gt; &amp; co" in text
    assert "next: noria monitor delay" in text


def test_mail_is_encrypted_and_says_who_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path / "ca")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.certificate, authority.key)
    monkeypatch.setenv("MAIL_USER", "noria")
    monkeypatch.setenv("MAIL_PASSWORD", "wrong")
    with mailbox(context, "noria", "right") as box:
        channel = EmailChannel(
            name="post",
            host="127.0.0.1",
            port=box.port,
            sender="noria@example.org",
            to=("ops@example.org", "data@example.org"),
            user="MAIL_USER",
            password="MAIL_PASSWORD",
            ca="ca/ca.pem",
        )
        with pytest.raises(BackendError, match="535"):
            open_alert(channel, tmp_path).send(NOTICE)
        monkeypatch.setenv("MAIL_PASSWORD", "schlüssel")
        with pytest.raises(BackendError, match="not to be encoded") as caught:
            open_alert(channel, tmp_path).send(NOTICE)
        assert "ü" not in str(caught.value)
        with pytest.raises(BackendError):
            open_alert(replace(channel, host="a" * 70 + ".example.org"), tmp_path).send(NOTICE)
        monkeypatch.setenv("MAIL_PASSWORD", "right")
        open_alert(channel, tmp_path).send(NOTICE)
        with pytest.raises(BackendError, match="530"):
            open_alert(replace(channel, tls="off", user=""), tmp_path).send(NOTICE)
        with pytest.raises(BackendError, match="CERTIFICATE_VERIFY_FAILED"):
            open_alert(replace(channel, ca=""), tmp_path).send(NOTICE)
    (letter,) = box.letters
    assert letter.rcpt_tos == ["ops@example.org", "data@example.org"]
    message = message_from_bytes(letter.content, policy=default)
    assert message["Subject"] == "[noria] warning: delay:3 missing/<!channel> & co"
    assert message["Message-ID"] == "<delay-17-ops@noria>"
    assert "suspected: the feed has lost it" in message.get_content()
    with pytest.raises(Unavailable):
        open_alert(channel, tmp_path).send(NOTICE)


def test_the_file_takes_a_line_each(tmp_path: Path) -> None:
    alert = open_alert(LogChannel(name="log", path="deep/alarms.ndjson"), tmp_path)
    alert.send(NOTICE)
    alert.send(NOTICE)
    lines = (tmp_path / "deep" / "alarms.ndjson").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [NOTICE.id] * 2
    with pytest.raises(BackendError):
        open_alert(LogChannel(name="log", path="."), tmp_path).send(NOTICE)


def test_alertmanager_is_asked_as_its_api_has_it(receiver: Hook, tmp_path: Path) -> None:
    """`postableAlerts` of api/v2/openapi.yaml: labels and annotations of text, times of RFC 3339."""
    url = receiver.url.removesuffix("/alarms")
    open_alert(AlertmanagerChannel(name="am", url=url), tmp_path).send(NOTICE)
    (alert,) = json.loads(receiver.got[0][1])
    assert alert.keys() == {"labels", "annotations", "startsAt", "endsAt"}
    assert all(
        isinstance(value, str) and value
        for value in (*alert["labels"].values(), *alert["annotations"].values())
    )
    assert datetime.fromisoformat(alert["startsAt"]) == NOW
    over = posted(replace(NOTICE, kind="resolved"), NOW + timedelta(days=1))
    assert over["labels"] == alert["labels"], "else Alertmanager takes it for another alarm"
    assert over["endsAt"] == (NOW + timedelta(days=1)).isoformat()


def test_alertmanager_itself(tmp_path: Path) -> None:
    binary = alertmanager_binary()
    if binary is None:
        pytest.skip("no Alertmanager here: apt-get install prometheus-alertmanager")
    with alertmanager(binary, tmp_path) as url:
        alert = open_alert(AlertmanagerChannel(name="am", url=url), tmp_path)
        alert.send(NOTICE)
        (one,) = asked(f"{url}/api/v2/alerts")
        assert (one["status"]["state"], one["labels"]["severity"]) == ("active", "warning")
        assert one["annotations"]["action"] == "noria monitor delay"
        alert.send(replace(NOTICE, id="delay-18-ops", kind="resolved", by="ada", why="mended"))
        assert asked(f"{url}/api/v2/alerts?active=true") == []


def asked(url: str) -> list[dict[str, dict[str, str]]]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        found: list[dict[str, dict[str, str]]] = json.load(answer)
        return found


SENDER = """
import sys
from datetime import datetime
from pathlib import Path
from noria.app.alarms.deliver import deliver
from noria.app.wiring import open_app
from noria.ports.clock import VirtualClock
with open_app(Path(sys.argv[1]), clock=VirtualClock(datetime.fromisoformat(sys.argv[2]))) as app:
    deliver(app)
"""


def test_a_sender_that_is_killed_loses_nothing(receiver: Hook, tmp_path: Path) -> None:
    """It had sent the message, and nobody had said yet that it was taken."""
    import threading

    folder = history(tmp_path)
    (folder / "noria.toml").write_text(TOML + f'[alarms.to.ops]\nkind = "webhook"\nurl = "{receiver.url}"\n')
    with opened(folder, START + timedelta(days=1)) as app:
        now = app.clock.now()
        changes = changes_for(app, "delay", [replace(ALARM, version=1, raised=now)])
        app.records.ledger.append("delay", changes, at=now)
    receiver.hold = threading.Event()
    sender = subprocess.Popen([sys.executable, "-c", SENDER, str(folder), now.isoformat()])
    assert receiver.came.wait(60)
    os.kill(sender.pid, signal.SIGKILL)
    sender.wait()
    receiver.hold.set()
    with opened(folder, now + CLAIM) as app:
        assert deliver(app).sent == 1
        assert deliver(app).sent == 0
        assert {one.state for one in app.records.outbox.all("delay")} == {"sent"}
    ids = [headers["Webhook-Id"] for headers, _ in receiver.got]
    assert len(ids) == 2 and len({*ids}) == 1
    assert len((folder / ".noria" / "alarms.ndjson").read_text().splitlines()) == 1

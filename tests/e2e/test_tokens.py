"""A service for other machines, from the command line: refused, opened by a token, closed again by its end."""

from __future__ import annotations

import http.client
import json
import signal
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from e2e.project import Project
from integration.certificates import Authority
from integration.serving_world import until

pytestmark = pytest.mark.slow
ROW = {"id": "a", "asked": "2024-02-11T10:00:00Z", "warm": 10.0, "shop": "north"}
WAITING = 60


@contextmanager
def served(project: Project, *words: str) -> Iterator[tuple[str, str]]:
    """All that a person reads first, and the address."""
    process = project.start("serve", "demand", "--port", "0", "--no-watch", *words)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        assert "answers at" in lines[0], process.stderr.read() if process.stderr else lines
        lines += [process.stdout.readline() for _ in range(3)]
        yield "".join(lines), lines[0].split("answers at ")[1].split()[0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WAITING)


def asked(url: str, secret: str | None, context: ssl.SSLContext | None = None) -> tuple[int, Any]:
    port = urlsplit(url).port or 0
    connection = (
        http.client.HTTPSConnection("127.0.0.1", port, timeout=WAITING, context=context)
        if context
        else http.client.HTTPConnection("127.0.0.1", port, timeout=WAITING)
    )
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {secret}"} if secret else {})
    connection.request("POST", "/v1/models/demand/predict", json.dumps(ROW), headers)
    response = connection.getresponse()
    answer = response.status, json.loads(response.read())
    connection.close()
    return answer


def test_a_service_for_other_machines(trained: Project, tmp_path: Path) -> None:
    refused = trained.noria("serve", "demand", "--port", "0", "--host", "0.0.0.0", exit=2)
    assert refused.stderr.count("error[") == 1 and "error[SERVE-HOST]" in refused.stderr
    assert "next:  noria token create NAME --scope infer" in refused.stderr

    dry = trained.noria("token", "create", "web", "--scope", "infer", "--dry-run")
    assert dry.stdout == "" and "would be made" in dry.stderr
    assert trained.json("token") == []
    made = trained.noria("token", "create", "web", "--scope", "infer,metrics", "--expires", "90d")
    secret = made.stdout.strip()
    assert secret.startswith("noria_") and "not shown again" in made.stderr and "the first one" in made.stderr
    shown = trained.noria("token", "list")
    assert "web" in shown.stdout and "infer, metrics" in shown.stdout and secret not in shown.stdout
    (listed,) = trained.json("token")
    assert listed["name"] == "web" and secret.split("_")[2] not in json.dumps(listed)
    again = trained.noria("token", "create", "web", "--scope", "infer", exit=3)
    assert "TOKEN-TAKEN" in again.stderr
    assert (
        "TOKEN-TAKEN"
        in trained.noria("token", "create", "web", "--scope", "infer", "--dry-run", exit=3).stderr
    )
    named = trained.noria("token", "create", secret, "--scope", "infer", exit=2)
    assert "its name is a secret" in named.stderr and secret not in named.stderr
    found = trained.noria("token", "revoke", secret, "--dry-run")
    assert "token web" in found.stdout and secret not in found.stdout
    unknown = trained.noria("token", "revoke", secret.replace(secret.split("_")[1], "a" * 8), exit=3)
    assert secret.split("_")[2] not in unknown.stderr

    authority = Authority(tmp_path / "authority")
    for name, path in (("cert.pem", authority.certificate), ("key.pem", authority.key)):
        (trained.folder / name).write_bytes(path.read_bytes())
    policy = (trained.folder / "noria.toml").read_text()
    secured = '\n[service]\nhost = "0.0.0.0"\ntls = { certificate = "cert.pem", key = "key.pem" }\n'
    trained.write("noria.toml", policy + secured)
    with served(trained) as (said, url):
        assert url.startswith("https://0.0.0.0:") and "Bearer $NORIA_TOKEN" in said
        context = authority.trusting()
        assert asked(url, None, context)[0] == 401
        status, answer = asked(url, secret, context)
        assert (status, answer["version"]) == (200, 1)
        trained.noria("token", "revoke", "web")
        until(lambda: asked(url, secret, context)[0] == 401, WAITING, "the token to be refused")
    assert "error[SERVE-HOST]" in trained.noria("serve", "demand", "--port", "0", exit=2).stderr

    events = trained.noria("audit", "@access", "--events").stdout
    assert "token.made" in events and "token.revoked" in events and "all as appended" in events
    assert "@access: 2 events" in trained.noria("audit").stdout

    trained.write("noria.toml", policy + '\n[service]\nauth = "off"\n')
    with served(trained) as (_, url):
        assert asked(url, None)[0] == 200


def test_what_keeps_a_service_from_beginning_is_one_error(trained: Project, tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "one"), Authority(tmp_path / "other")
    for words, code, status in (
        (["--tls-cert", "no.pem", "--tls-key", "no.pem"], "SERVE-TLS", 2),
        (["--tls-cert", str(authority.certificate), "--tls-key", str(other.key)], "SERVE-TLS", 2),
        (["--host", "192.0.2.1"], "SERVE-HOST", 2),
        (["--host", "example.org"], "SERVE-ADDRESS", 2),
    ):
        done = trained.noria("serve", "demand", "--port", "0", *words, exit=status)
        assert done.stdout == "" and done.stderr.count("error[") == 1 and f"error[{code}]" in done.stderr
        assert done.stderr.count("next:") == 1

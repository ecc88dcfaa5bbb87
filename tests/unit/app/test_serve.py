"""What a service is started with."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from noria.app.serve import require_host, secured
from noria.app.tokens import create, revoke
from noria.errors import Conflict, UsageError
from noria.records.policy import TlsPolicy
from unit.app.stored import START, opened, project

TLS = '[service]\ntls = { certificate = "c.pem", key = "k.pem", client_ca = "ca.pem" }\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "p").mkdir()
    return project(tmp_path / "p")


def test_a_certificate_of_the_command_line_opens_nothing_to_callers_without_one(folder: Path) -> None:
    (folder / "noria.toml").write_text((folder / "noria.toml").read_text() + TLS)
    with opened(folder) as app:
        ca = ["--tls-client-ca", str(app.project / "ca.pem")]
        assert secured(app, None) == [
            *("--tls-cert", str(app.project / "c.pem"), "--tls-key", str(app.project / "k.pem")),
            *ca,
        ]
        other = secured(app, TlsPolicy(certificate="/x.pem", key="/y.pem"))
        assert other == ["--tls-cert", "/x.pem", "--tls-key", "/y.pem", *ca]


def test_other_machines_need_a_token_that_has_not_expired(folder: Path) -> None:
    with opened(folder) as app:
        require_host(app, "127.0.0.1")
        require_host(app, "::1")
        for host in ("0.0.0.0", "::", "192.0.2.7", "::ffff:127.0.0.1"):
            with pytest.raises(UsageError):
                require_host(app, host)
        create(app, "web", scopes=["infer"], expires=timedelta(hours=1), by="ada")
        require_host(app, "0.0.0.0")
        with pytest.raises(Conflict):
            create(app, "web", scopes=["infer"], by="ada", dry_run=True)
    with opened(folder, START + timedelta(hours=13)) as later, pytest.raises(UsageError):
        require_host(later, "0.0.0.0")


def test_a_token_is_revoked_by_name_id_or_the_secret_itself(folder: Path) -> None:
    with opened(folder) as app:
        for name, by in (("a", "name"), ("b", "id"), ("c", "secret")):
            made = create(app, name, scopes=["infer"], by="ada")
            said = {"name": name, "id": made.token.id, "secret": made.secret or ""}[by]
            assert revoke(app, said, by="ada") == made.token

"""Dates of certificates, read by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from noria.records.policy import TlsPolicy
from noria.serving.tls import BadCertificate, Certificates, validity

NOW = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize("end", [NOW, datetime(2049, 12, 31, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)])
def test_both_forms_of_a_date(end: datetime) -> None:
    pem = trustme.CA().issue_cert("a.example.org", not_before=datetime(1999, 5, 6, tzinfo=UTC), not_after=end)
    assert validity(pem.cert_chain_pems[0].bytes()) == (datetime(1999, 5, 6, tzinfo=UTC), end)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"nothing",
        b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
        b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        b"-----BEGIN CERTIFICATE-----\nAAAA",
    ],
)
def test_what_is_no_certificate(pem: bytes) -> None:
    with pytest.raises(BadCertificate):
        validity(pem)


def test_what_its_owner_hears(tmp_path: Path) -> None:
    made = trustme.CA().issue_cert("a.example.org", not_before=NOW, not_after=NOW + timedelta(days=60))
    made.cert_chain_pems[0].write_to_path(tmp_path / "c.pem")
    made.private_key_pem.write_to_path(tmp_path / "k.pem")
    held = Certificates(TlsPolicy(certificate=str(tmp_path / "c.pem"), key=str(tmp_path / "k.pem")))
    assert held.warning(NOW + timedelta(days=30)) == ""
    assert "expires at 2026-04-30" in held.warning(NOW + timedelta(days=50))
    assert "has expired" in held.warning(NOW + timedelta(days=60))
    assert "is good from" in held.warning(NOW - timedelta(days=1))
    assert not held.renewed()

"""`tls` in `[service]`: the files by which a service shows who it is."""

from __future__ import annotations

from noria.app.sections import Rule, Section
from noria.records.policy import TlsPolicy

FILE = Rule("the name of a file", lambda name: bool(name.strip()))


def tls_of(service: Section) -> TlsPolicy | None:
    """`tls = { certificate = "...", key = "...", client_ca = "..." }`; None where it is not there."""
    if "tls" not in service:
        service.table("tls")  # known, for whoever has mistyped it
        return None
    section = service.table("tls", 'write tls = { certificate = "cert.pem", key = "key.pem" }')
    for name in ("certificate", "key"):
        if section.values and name not in section:
            section.fault(name, "is missing: tls needs certificate and key")
    tls = TlsPolicy(
        certificate=section.text("certificate", "", FILE),
        key=section.text("key", "", FILE),
        client_ca=section.text("client_ca", "", FILE) or None,
    )
    section.close()
    if not section.values and isinstance(service.values["tls"], dict):
        section.fault(None, "is empty: tls needs certificate and key")
    return tls

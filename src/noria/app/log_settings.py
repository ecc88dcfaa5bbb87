"""`[service.log]`: what the prediction log holds, and how long."""

from __future__ import annotations

from noria.app.sections import Rule, Section, shown
from noria.records.policy import LogPolicy

SAMPLE = Rule("above 0 and at most 1", lambda x: 0 < x <= 1)


def log_of(section: Section) -> LogPolicy:
    """`[service.log]`"""
    usual = LogPolicy()
    log = LogPolicy(
        keep=section.seconds("keep", usual.keep),
        sample=section.number("sample", usual.sample, SAMPLE),
        redact=section.columns("redact"),
        hash=section.columns("hash"),
    )
    for name in sorted({*log.redact} & {*log.hash}):
        section.fault("hash", f"has {shown(name)}, which is in redact as well: a null has no hash")
    section.close()
    return log

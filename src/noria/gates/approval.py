"""A person's word on a candidate."""

from __future__ import annotations

from noria.records.gates import Approval, Verdict

APPROVAL = "approval"


def approved(version: str, approval: Approval | None) -> Verdict:
    """The last word that somebody gave; without one it is undecided."""
    if approval is None:
        why = f'a person has to look at it: noria approve {version} --why "..."'
        return Verdict(gate=APPROVAL, outcome="undecided", why=why)
    word = "approved" if approval.granted else "refused"
    return Verdict(
        gate=APPROVAL,
        outcome="pass" if approval.granted else "fail",
        why=f"{word} by {approval.by} at {approval.at:%Y-%m-%d %H:%M} UTC: {approval.why}",
        evidence={"by": approval.by, "why": approval.why, "granted": approval.granted},
    )

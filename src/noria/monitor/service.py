"""How the service did in one block: requests without an answer, held to a limit."""

from __future__ import annotations

from collections.abc import Mapping

from noria.monitor.quality import Finding, over

CODES = 3  # named in an alarm, the most frequent first


def failing(asked: int, codes: Mapping[str, int], limit: float) -> Finding | None:
    """The share of requests without an answer, by no fault of their callers. `asked`: requests that were answered; `codes`: how
    many were not, by the error's code."""
    failed = sum(codes.values())
    share = failed / (asked + failed) if failed else 0.0
    if not over(share, limit, asked + failed):
        return None
    worst = sorted(codes.items(), key=lambda one: (-one[1], one[0]))[:CODES]
    return Finding(
        "errors",
        "",
        f"{share:.1%} of {asked + failed:,} requests got no answer, and {limit:.1%} may",
        "errors told: " + ", ".join(f"{code} ({count:,})" for code, count in worst),
        "read what the service's log says of them (answer.failed); go back if a version brought them: noria rollback MODEL",
        {"share": share, "requests": float(asked + failed), **{code: float(count) for code, count in worst}},
    )

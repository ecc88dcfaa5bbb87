"""`noria show` of a version tells what came of its newest rebuild."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from noria.records.events import Proved
from noria.records.proofs import Proof
from noria.records.sources import Machine
from unit.app.stored import ENVIRONMENT, START, opened
from unit.cli.conftest import Noria

MACHINE = Machine(host="h", cpu="c", cores=1, memory=1, threads=1)


def test_the_newest_proof_stands_beside_the_gates(own: Path, noria: Noria) -> None:
    assert "proof" not in noria("-C", str(own), "show", "delay:1").out
    with opened(own) as app:
        for hours, version, diverged in ((20, 1, None), (21, 1, "classifier"), (22, 2, None)):
            proof = Proof(
                model="delay",
                version=version,
                at=START + timedelta(hours=hours),
                same="different" if diverged else "bit",
                compared=(),
                diverged=diverged,
                causes=("unseeded",) if diverged else (),
                why="what was tried",
                environment=ENVIRONMENT,
                machine=MACHINE,
            )
            app.records.ledger.append("delay", [Proved(proof=proof)], at=proof.at)
    told = "proof  rebuilt at 2025-03-02 06:00:00Z: different, classifier diverged first (unseeded)\n  what was tried"
    assert told in noria("-C", str(own), "show", "delay:1").out
    assert (
        "proof  rebuilt at 2025-03-02 07:00:00Z: bit-identical\n"
        in noria("-C", str(own), "show", "delay:2").out
    )
    assert noria("-C", str(own), "show", "delay:1", "--json").json["proof"]["causes"] == ["unseeded"]

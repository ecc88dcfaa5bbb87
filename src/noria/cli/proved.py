"""What a proof says in two words."""

from __future__ import annotations

from noria.cli.render import paint
from noria.records.proofs import Proof

WORDS = {"bit": "bit-identical", "tolerance": "equal within tolerance", "different": "different"}
COLOURS = {"bit": "green", "tolerance": "yellow", "different": "red"}


def sameness(proof: Proof) -> str:
    return paint(WORDS[proof.same], COLOURS[proof.same], "bold")

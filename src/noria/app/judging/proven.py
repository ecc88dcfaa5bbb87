"""A version rebuilt, where a gate asks whether it can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from noria.records.gates import Reproducible
from noria.records.policy import ModelPolicy
from noria.records.proofs import Proof
from noria.records.runs import Run, StepResult
from noria.records.versions import Version

if TYPE_CHECKING:
    from noria.app.wiring import App


def asked_proof(
    app: App, policy: ModelPolicy, version: Version, run: Run, steps: Sequence[StepResult]
) -> Proof | None:
    """Of the run's steps as they are recorded or just finished; None where no gate asks."""
    if not any(isinstance(gate, Reproducible) for gate in policy.gates):
        return None
    from noria.app.proof.reproduce import prove
    from noria.pipeline.listen import Silent

    return prove(app, version, run, steps, Silent())

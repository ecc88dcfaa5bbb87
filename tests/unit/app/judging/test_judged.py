"""What is asked of a candidate where noria.toml has no gate: nothing, until a service has callers to lose."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from msgspec.structs import replace

from noria.app.judging.gathered import Gathered
from noria.app.judging.judged import judged
from noria.errors import StepFailed
from noria.records.gates import Better, Judgement, NoWorse
from noria.records.service import Service
from noria.records.versions import RequestColumn
from unit.app.stored import START, history, opened


def judgement(folder: Path, *, serving: int | None = None) -> Judgement:
    """Of a candidate that wants one more column than the champion, delay:1."""
    with opened(folder) as app:
        if serving is not None:
            app.records.services.announce(
                Service(
                    id="a",
                    model="delay",
                    follows="champion",
                    url="http://127.0.0.1:8117",
                    pid=os.getpid(),
                    version=serving,
                    seen=START,
                )
            )
        second = app.records.versions.version("delay", 2)
        assert second is not None
        wind = RequestColumn(name="wind", type="double")
        wider = replace(second.signature, request=(*second.signature.request, wind))
        # no gate asks a worker for anything, so there is none
        return judged(app, app.model("delay"), replace(second, signature=wider), None)  # type: ignore[arg-type]


def test_a_new_column_hurts_nobody_while_no_service_answers(tmp_path: Path) -> None:
    (verdict,) = judgement(history(tmp_path)).verdicts
    assert (verdict.gate, verdict.outcome) == ("schema", "pass")
    assert "once one does" in verdict.why


def test_a_new_column_is_refused_once_the_champion_serves(tmp_path: Path) -> None:
    found = judgement(history(tmp_path), serving=1)
    assert not found.passed and "requests must have a new column wind (double)" in found.verdicts[0].why


def test_gates_that_are_given_are_all_that_is_asked(tmp_path: Path) -> None:
    with opened(history(tmp_path)) as app:
        second = app.records.versions.version("delay", 2)
        assert second is not None
        made = judged(app, app.model("delay"), second, None, gates=[])  # type: ignore[arg-type]
    assert made.verdicts == () and made.champion == 1


def test_a_service_of_another_version_is_no_caller_of_the_champion(tmp_path: Path) -> None:
    assert judgement(history(tmp_path), serving=2).passed


@dataclass(eq=False)
class Raised(StepFailed):
    code: ClassVar[str] = "STEP-RAISED-HERE"
    what: ClassVar[str] = 'predict late raised KeyError: "depot"\n  File "pipeline.py", line 50, in features'
    next: ClassVar[str] = "mend it"


def test_why_a_champion_could_not_answer_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def paired(*_: object) -> None:
        raise Raised()

    monkeypatch.setattr(Gathered, "paired", paired)
    with opened(history(tmp_path)) as app:
        second = app.records.versions.version("delay", 2)
        assert second is not None and second.quality is not None
        gate = NoWorse(metric=second.quality.loss, than="champion", margin=0.01)
        made = judged(app, app.model("delay"), second, None, gates=[gate])  # type: ignore[arg-type]
    assert made.verdicts[0].outcome == "undecided"
    assert made.verdicts[0].why == (
        'delay:1 cannot be compared on these rows: predict late raised KeyError: "depot"'
    )


@pytest.mark.parametrize(
    "gate", [NoWorse(metric="brier", than="champoin"), Better(metric="brier", than="base")]
)
def test_an_alias_that_no_version_has_passes_nobody_once_there_is_a_champion(
    tmp_path: Path, gate: NoWorse | Better
) -> None:
    with opened(history(tmp_path)) as app:
        second = app.records.versions.version("delay", 2)
        assert second is not None
        made = judged(app, app.model("delay"), second, None, gates=[gate])  # type: ignore[arg-type]
    assert made.verdicts[0].outcome == "undecided"
    assert f"no version has the alias {gate.than}" in made.verdicts[0].why

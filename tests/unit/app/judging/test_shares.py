"""Who counts as an attempt on the same rows."""

from noria.app.judging.shares import Earlier
from noria.records.gates import Calibration, Judgement, NoWorse, Verdict
from noria.testing.samples import NOON, a_digest

AGAINST = Verdict(
    gate="loss against champion", outcome="pass", why="", evidence={"alpha": 0.05, "against": "delay:1"}
)
CALIBRATED = Verdict(gate="calibration", outcome="pass", why="", evidence={"alpha": 0.05})


def judged(version: int, rows: str | None = None, cause: str = "run") -> Judgement:
    return Judgement(
        model="delay",
        version=version,
        champion=1,
        judged=NOON,
        verdicts=(AGAINST, CALIBRATED),
        data=a_digest(rows) if rows else None,
        cause=cause,  # type: ignore[arg-type]
    )


def test_a_word_and_a_second_look_at_the_same_rows_are_no_attempts() -> None:
    found = Earlier([judged(2), judged(2, cause="asked"), judged(2, cause="approval"), judged(3)])
    assert found.attempts(NoWorse(metric="loss"), "delay:1") == 2
    assert found.attempts(Calibration(at_most=0.05), None) == 2
    assert found.attempts(NoWorse(metric="loss"), "delay:7") == 0


def test_other_rows_are_another_attempt() -> None:
    found = Earlier([judged(2), judged(2, "today"), judged(2, "today", "asked"), judged(2, "tomorrow")])
    assert found.attempts(NoWorse(metric="loss"), "delay:1") == 3

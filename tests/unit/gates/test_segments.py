"""A comparison by segment names the segment, and the alpha of all stays one."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from noria.gates.judge import Evidence, judge
from noria.gates.paired import Paired, pair
from noria.records.gates import Better, NoWorse, Verdict

START = datetime(2013, 3, 1, tzinfo=UTC)
DAYS, ROWS = 28, 20


def two(worse: dict[str, float], *, carriers: tuple[str, ...] = ("AA", "UA"), rare: int = 0) -> Paired:
    """Losses of two versions: the candidate's are higher by so much in some carriers."""
    random = np.random.default_rng(5)
    rows = [
        {"id": f"{carrier}{day}-{n}", "time": START + timedelta(days=day), "carrier": carrier}
        for carrier in carriers
        for day in range(DAYS)
        for n in range(ROWS)
    ] + [{"id": f"rare{n}", "time": START, "carrier": f"R{n}"} for n in range(rare)]
    frame = pl.DataFrame(rows)
    loss = 1.0 + random.normal(0, 0.05, frame.height)
    shift = np.array([worse.get(carrier, 0.0) for carrier in frame["carrier"]])
    mine = frame.select("id", "time").with_columns(loss=loss + shift + random.normal(0, 0.02, frame.height))
    theirs = frame.select("id", "time").with_columns(loss=loss)
    found = pair(
        mine.to_arrow(),
        theirs.to_arrow(),
        key=("id",),
        time="time",
        left_out=0,
        range=(0.0, 5.0),
        other_name="delay:1",
        block="1d",
        segments=frame.select("id", "carrier").to_arrow(),
    )
    assert isinstance(found, Paired)
    return found


def verdicts(gate: NoWorse | Better, paired: Paired) -> tuple[Verdict, ...]:
    return judge([gate], Evidence(paired={"champion": paired}))


def test_the_segment_that_got_worse_fails_though_the_whole_did_not() -> None:
    whole, by_carrier = verdicts(
        NoWorse(metric="loss", margin=0.1, segments=("carrier",)), two({"UA": 0.15, "AA": -0.2})
    )
    assert (whole.outcome, by_carrier.outcome) == ("pass", "fail")
    assert by_carrier.gate == "loss against champion by carrier"
    assert "worse than delay:1 in UA" in by_carrier.why and "AA" not in by_carrier.why


def test_all_segments_pass_together_and_the_evidence_has_each() -> None:
    _, by_carrier = verdicts(NoWorse(metric="loss", margin=0.1, segments=("carrier",)), two({}))
    assert by_carrier.outcome == "pass"
    assert {one["segment"] for one in by_carrier.evidence["segments"]} == {"AA", "UA"}
    assert by_carrier.evidence["alpha_of_one"] == pytest.approx(0.025)


def test_values_with_too_few_blocks_are_judged_together_and_it_is_said() -> None:
    _, by_carrier = verdicts(NoWorse(metric="loss", margin=0.1, segments=("carrier",)), two({}, rare=4))
    assert by_carrier.outcome == "undecided"  # one day of four rows decides nothing
    assert by_carrier.evidence["merged"] == ["R0", "R1", "R2", "R3"]
    assert "4 values with too few blocks" in by_carrier.why


def test_a_column_that_is_not_there_is_undecided_and_named() -> None:
    _, verdict = verdicts(NoWorse(metric="loss", margin=0.1, segments=("airline",)), two({}))
    assert (verdict.outcome, "airline" in verdict.why) == ("undecided", True)


@pytest.mark.parametrize(
    ("shift", "by", "outcome"),
    [(-0.2, 0.1, "pass"), (-0.2, 0.3, "fail"), (0.0, 0.0, "undecided"), (0.1, 0.0, "fail")],
)
def test_superiority_asks_for_better_by_more(shift: float, by: float, outcome: str) -> None:
    gate = Better(metric="loss", by=by)
    (verdict,) = verdicts(gate, two({"AA": shift, "UA": shift}))
    assert verdict.outcome == outcome, verdict.why
    assert verdict.gate == "loss better than champion"
    assert verdict.evidence["estimate"] == pytest.approx(shift, abs=0.01)

"""What is done to rows and models: perturbed for robustness, and planted by a drill."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from noria.app.judging.broken import _poisoned
from noria.app.judging.perturbed import with_holes, with_noise
from noria.app.judging.plants import DATA_PLANTS, CannotPlant, Soil, Sown
from noria.app.judging.tried import NotServed, _once, figures
from noria.declare import DataSpec
from noria.records.artifacts import Column
from noria.records.versions import RequestColumn, Signature
from noria.testing.samples import a_version

SPEC = DataSpec(key=("id",), time="at", label="late", outcomes=("air_time",))
START = datetime(2013, 1, 1, tzinfo=UTC)


def frame(rows: int = 200) -> pl.DataFrame:
    random = np.random.default_rng(1)
    temp = random.normal(10, 5, rows)
    return pl.DataFrame(
        {
            "id": np.arange(rows),
            "at": [START + timedelta(hours=n) for n in range(rows)],
            "temp": temp,
            "wind": random.normal(3, 1, rows),
            "hour": np.arange(rows) % 24,
            "name": np.where(random.random(rows) < 0.5, "a", "b"),
            "late": (temp > 10).astype(np.int8),
            "air_time": random.normal(100, 5, rows),
        }
    )


def soil(rows: pl.DataFrame | None = None) -> Soil:
    made = frame() if rows is None else rows
    trains = np.arange(made.height) < 0.8 * made.height
    return Soil(made, trains, SPEC, {"temp": 0.6, "wind": 0.1, "hour": 0.05}, np.random.default_rng(2))


def differing(sown: Sown, before: pl.DataFrame) -> set[str]:
    return {name for name in before.columns if not sown.rows[name].equals(before[name])}


@pytest.mark.parametrize(
    ("plant", "columns"),
    [
        ("label shuffle", {"late"}),
        ("leaked label", {"temp"}),
        ("stale features", {"temp", "wind", "hour", "name"}),
        ("unit change", {"temp"}),
        ("swapped columns", {"temp", "wind"}),
    ],
)
def test_a_plant_changes_what_it_says_and_judges_by_true_rows(plant: str, columns: set[str]) -> None:
    ground = soil()
    sown = DATA_PLANTS[plant](ground)
    assert differing(sown, ground.rows) == columns
    assert sown.rows.schema == ground.rows.schema
    held = ~pl.Series(ground.trains)
    if plant == "leaked label":  # it would be in both
        assert sown.judged_by is not None and sown.rows["temp"].to_list() == ground.rows["late"].to_list()
    else:
        assert sown.judged_by is None
        assert sown.rows.filter(held).equals(ground.rows.filter(held))


def test_a_truncated_table_keeps_the_first_rows_and_the_holdout() -> None:
    ground = soil(frame(1000))
    rows = DATA_PLANTS["truncated data"](ground).rows
    assert rows["id"].to_list() == [*range(40), *range(800, 1000)]


@pytest.mark.parametrize("plant", ["leaked label", "unit change", "swapped columns"])
def test_without_numbers_there_is_no_room(plant: str) -> None:
    with pytest.raises(CannotPlant, match="has no"):
        DATA_PLANTS[plant](soil(frame().drop("temp", "wind", "hour")))


def test_small_codes_have_no_room_for_another_unit() -> None:
    codes = frame().drop("temp", "wind").with_columns(pl.lit(100, pl.Int8) + pl.col("hour").cast(pl.Int8))
    with pytest.raises(CannotPlant, match="whose unit"):
        DATA_PLANTS["unit change"](soil(codes.with_columns(hour=(pl.col("hour") + 100).cast(pl.Int8))))


def test_a_small_code_below_zero_has_no_room_either() -> None:
    codes = frame().drop("temp", "wind").with_columns(hour=(pl.col("hour") * 4 - 120).cast(pl.Int8))
    with pytest.raises(CannotPlant, match="whose unit"):
        DATA_PLANTS["unit change"](soil(codes))


def test_codes_with_holes_and_room_change_their_unit() -> None:
    codes = frame().drop("temp", "wind").with_columns(hour=pl.when(pl.col("hour") > 0).then(pl.col("hour")))
    ground = soil(codes)
    assert differing(DATA_PLANTS["unit change"](ground), ground.rows) == {"hour"}


def signature(*, unknown: str = "accept") -> Signature:
    return Signature(
        request=(
            RequestColumn(name="id", type="int64"),
            RequestColumn(name="at", type="timestamp[us, tz=UTC]"),
            RequestColumn(name="temp", type="double", nulls=True),
            RequestColumn(name="wind", type="double"),
            RequestColumn(name="hour", type="int64"),
            RequestColumn(name="name", type="string"),
        ),
        key=("id",),
        time="at",
        unknown=unknown,  # type: ignore[arg-type]
        answer=(Column(name="answer", type="double"),),
    )


def test_noise_is_a_share_of_the_spread_and_moves_no_small_code() -> None:
    rows = frame(2000)
    noisy, columns = with_noise(rows, signature(), 0.01, np.random.default_rng(3))
    assert columns == ("temp", "wind")  # an hour more or less rounds to none
    change = (noisy["temp"] - rows["temp"]).std()
    assert change == pytest.approx(0.01 * rows["temp"].std(), rel=0.1)  # type: ignore[operator]
    assert noisy.select("id", "at", "hour", "name", "late").equals(
        rows.select("id", "at", "hour", "name", "late")
    )


def test_numbers_at_the_end_of_their_type_get_no_noise() -> None:
    rows = frame().with_columns(hour=2**63 - 1 - pl.col("hour") * 2**40)
    assert with_noise(rows, signature(), 0.5, np.random.default_rng(3))[1] == ("temp", "wind")


def test_an_infinite_number_takes_no_other_away() -> None:
    rows = frame().with_columns(temp=pl.when(pl.col("id") == 7).then(float("inf")).otherwise(pl.col("temp")))
    noisy, _ = with_noise(rows, signature(), 0.01, np.random.default_rng(3))
    assert noisy["temp"].is_finite().sum() == rows.height - 1


def test_holes_come_where_a_request_may_have_them() -> None:
    rows = frame(2000)
    holed, columns = with_holes(rows, signature(), 0.1, np.random.default_rng(3))
    assert columns == ("temp", "wind", "hour", "name")
    assert holed["temp"].null_count() == pytest.approx(200, abs=50)
    assert not holed.select("id", "at", "late").null_count().sum_horizontal().item()
    assert with_holes(rows, signature(unknown="refuse"), 0.1, np.random.default_rng(3))[1] == ("temp",)


class Tree:
    def __init__(self) -> None:
        self.nodes = np.array([(0, 1.5), (1, 2.5)], dtype=[("feature", "i4"), ("value", "f8")])


class Ensemble:
    def __init__(self) -> None:
        self.trees = [[Tree()], [Tree()]]
        self.base = np.array([0.25])
        self.count = np.array([3])
        self.itself = self


def test_weights_are_reached_wherever_they_lie() -> None:
    model = Ensemble()
    count, changed = _poisoned(("step", model), 12, set())
    assert (count, changed[1]) == (3, model)
    assert np.isnan(model.base).all() and np.isnan(model.trees[1][0].nodes["value"]).all()
    assert model.trees[0][0].nodes["feature"].tolist() == [0, 1] and model.count.tolist() == [3]


def test_of_several_rounds_the_least_counts() -> None:
    quiet, busy = [0.001] * 98 + [0.004] * 2, [0.002] * 90 + [0.5] * 10
    found = figures([busy, quiet, busy], 50e6)
    assert found.figures == {"latency_p50_ms": 1.0, "latency_p99_ms": 4.0, "memory_mb": 50.0}
    assert found.evidence["p99_ms"] == [500.0, 4.0, 500.0]
    assert found.how.endswith("; 2 of them took half as long again")


@pytest.mark.parametrize(("slow", "p99"), [(1, 1.0), (2, 1.0), (3, 4.0)])
def test_of_two_hundred_requests_the_third_slowest_is_the_99th_percentile(slow: int, p99: float) -> None:
    found = figures([[0.001] * (200 - slow) + [0.004] * slow], 50e6)
    assert found.figures["latency_p99_ms"] == p99


class Refusing:
    """A connection whose answer is no text."""

    status = 503

    def request(self, *_: object) -> None: ...

    def getresponse(self) -> "Refusing":
        return self

    def read(self) -> bytes:
        return b"x" + "\u00e9".encode() * 150  # the 300th byte is within a letter


def test_a_refusal_that_is_no_text_is_told_all_the_same() -> None:
    with pytest.raises(NotServed, match="it answered 503: x\u00e9"):
        _once(a_version(1), Refusing(), "/", b"")  # type: ignore[arg-type]

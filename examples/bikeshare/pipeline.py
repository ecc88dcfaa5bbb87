"""How many bikes will be hired in an hour? Capital Bikeshare, Washington, 2011."""

from datetime import datetime, timedelta
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.ensemble import HistGradientBoostingRegressor as Trees

import noria

SKIES = ["clear", "cloudy/misty", "light rain/snow", "heavy rain/snow"]  # from good to bad
AIR = ["temp", "atemp", "hum", "windspeed"]
INPUTS = ["clock", "weekday", "workingday", "holiday", "sky", *AIR]

hires = noria.Pipeline("hires")


@hires.data(
    key="hour_id",
    time="hour",  # when the question is asked
    known="counted",  # when its label is known: the hour is over
    label="bikers",
    outcomes=("casual", "registered"),  # they add up to the label: never a feature
)
def hours(as_of: datetime) -> pl.DataFrame:
    """One row an hour: the whole year, for Noria keeps the hours that were over at `as_of`."""
    table = Path(distribution("ISLP").locate_file("ISLP/data/Bikeshare.csv"))
    local = pl.datetime(2011, 1, 1) + pl.duration(days=pl.col("day") - 1, hours="hr")
    # two hours in November are called 1 o'clock, and the table has one row for them
    hour = local.dt.replace_time_zone("America/New_York", ambiguous="earliest")
    return (
        pl.read_csv(table, schema_overrides=dict.fromkeys(AIR, pl.Float64))
        .with_columns(hour=hour.dt.convert_time_zone("UTC"))
        .select(
            *["hour", "holiday", "workingday", "weathersit", *AIR],
            *["bikers", "casual", "registered"],
            hour_id=pl.col("hour").dt.to_string("%Y-%m-%dT%HZ"),
            counted=pl.col("hour") + pl.duration(hours=1),
        )
    )


@hires.transform
def features(hours: pl.DataFrame) -> pl.DataFrame:
    """Row by row. The service runs this very code, so what it sees cannot differ from training."""
    local = pl.col("hour").dt.convert_time_zone("America/New_York").dt
    sky = pl.col("weathersit").replace_strict(SKIES, range(len(SKIES)), default=None)
    return hours.select(
        *["workingday", "holiday", *AIR],
        clock=local.hour(),
        weekday=local.weekday(),
        sky=sky,
    )


@hires.step(outputs=("train", "holdout"))
def split(features: pl.DataFrame, *, holdout_days: int = 14) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The newest days judge the candidate; it learns from everything before them."""
    day = features["hour"].dt.date()
    recent = day > day.max() - timedelta(days=holdout_days)
    return features.filter(~recent), features.filter(recent)


@hires.step
def regressor(train: pl.DataFrame, *, trees: int = 100, seed: int = 0) -> Trees:
    """Boosted trees for counts. No tree foresees a summer after a winter: that is what drifts."""
    model = Trees(loss="poisson", max_iter=trees, early_stopping=False, random_state=seed)
    return model.fit(train.select(INPUTS), train["bikers"])


@hires.predict
def bikers(regressor: Trees, features: pl.DataFrame) -> np.ndarray:
    """Hires expected in each hour."""
    return regressor.predict(features.select(INPUTS))


@hires.loss(on="holdout", range=(0, 1000))
def absolute_error(label: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """Bikes too many or too few; what is over 1000 would be clipped, and counted as such."""
    return np.abs(label - answer)


@hires.metrics
def quality(regressor: Trees, holdout: pl.DataFrame) -> dict[str, float]:
    """For the version's card: the share of the ups and downs that it explains, and its bias."""
    error = holdout["bikers"].to_numpy() - bikers(regressor, holdout)
    explained = 1 - error.var() / holdout["bikers"].to_numpy().var()
    return {"explained": float(explained), "bias": float(-error.mean())}

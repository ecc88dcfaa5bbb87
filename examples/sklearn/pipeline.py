"""A scikit-learn Pipeline that existed before Noria: data, split, step, predict, loss."""

import numpy as np
import polars as pl
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import noria

tumour = noria.Pipeline("tumour")


@tumour.data(key="patient", label="benign")
def patients() -> pl.DataFrame:
    found = load_breast_cancer()
    table = pl.DataFrame(found.data, schema=found.feature_names.tolist())
    return table.with_columns(benign=found.target).with_row_index("patient")


@tumour.step(outputs=("train", "holdout"))
def split(patients: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    held = patients["patient"] % 4 == 0
    return patients.filter(~held), patients.filter(held)


@tumour.step
def model(train: pl.DataFrame) -> Pipeline:
    yours = make_pipeline(StandardScaler(), LogisticRegression())
    return yours.fit(train.drop("patient", "benign"), train["benign"])


@tumour.predict
def benign(model: Pipeline, patients: pl.DataFrame) -> np.ndarray:
    return model.predict_proba(patients.drop("patient"))[:, 1]


@tumour.loss(on="holdout", range=(0, 1))
def brier(label: np.ndarray, answer: np.ndarray) -> np.ndarray:
    return (label - answer) ** 2

"""What `noria lint` finds in code, and what it leaves alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from noria.declare import resolve
from noria.graph.load import forget, load_pipeline
from noria.pipeline.code import Code
from noria.pipeline.lint import Lint, lint

HEAD = """
import glob
import os
import random
import time
import uuid
from datetime import datetime

import numpy as np
import polars as pl
import noria
from helpers import helped

demand = noria.Pipeline("demand")
seen = 0


@demand.data(key="id")
def rows():
    {data}
    return pl.DataFrame()


@demand.step
def model(rows, *, seed: int = 0):
    {step}
    return 1
"""


def found(folder: Path, *, step: str = "pass", data: str = "pass", helper: str = "pass") -> tuple[Lint, ...]:
    (folder / "pipeline.py").write_text(HEAD.format(step=step, data=data))
    (folder / "helpers.py").write_text(f"import time\n\ndef helped():\n    {helper}\n")
    try:
        return lint(resolve(load_pipeline(folder, "pipeline:demand")), Code(folder))
    finally:
        forget(folder)
        sys.modules.pop("helpers", None)


@pytest.mark.parametrize(
    ("step", "rule"),
    [
        ("when = datetime.now()", "clock"),
        ("when = time.time()", "clock"),
        ("import datetime as dt; when = dt.date.today()", "clock"),
        ("took = time.perf_counter()", "stopwatch"),
        ("took = time.monotonic_ns()", "stopwatch"),
        ("number = os.getpid()", "process"),
        ("number = os.getppid()", "process"),
        ("import threading; number = threading.get_ident()", "process"),
        ("import socket; name = socket.gethostname()", "machine"),
        ("import platform; name = platform.node()", "machine"),
        ("number = uuid.getnode()", "machine"),
        ("import secrets; name = secrets.token_hex(4)", "chance"),
        ("draw = np.random.default_rng().random()", "unseeded"),
        ("draw = np.random.default_rng(None)", "unseeded"),
        ("draw = random.Random()", "unseeded"),
        ("random.seed()", "unseeded"),
        ("name = uuid.uuid4()", "chance"),
        ("name = os.urandom(3)", "chance"),
        ("name = os.environ['HOME']", "environment"),
        ("name = os.getenv('HOME')", "environment"),
        ("import requests; page = requests.get('http://localhost')", "network"),
        ("from urllib.request import urlopen; page = urlopen('http://localhost')", "network"),
        ("table = pl.read_csv('more.csv')", "file"),
        ("text = open('notes.txt').read()", "file"),
        ("names = glob.glob('*.csv')", "order"),
        ("names = [name for name in os.listdir('.')]", "order"),
        ("from sklearn import ensemble; model = ensemble.RandomForestClassifier(n_jobs=-1)", "cores"),
        ("global seen; seen += 1", "global"),
    ],
)
def test_a_step_that_is_not_repeatable(tmp_path: Path, step: str, rule: str) -> None:
    (one,) = found(tmp_path, step=step)
    assert (one.rule, one.step) == (rule, "model")
    line = int(one.where.removeprefix("pipeline.py:"))
    assert (tmp_path / "pipeline.py").read_text().splitlines()[line - 1].strip() == step
    assert one.next


@pytest.mark.parametrize(
    "step",
    [
        "draw = np.random.default_rng(seed).random()",
        "draw = np.random.default_rng(seed=seed).random()",
        "draw = random.random()",
        "draw = np.random.normal()",
        "names = sorted(glob.glob('*.csv'))",
        "then = datetime(2024, 1, 1)",
        "from sklearn import ensemble; model = ensemble.RandomForestClassifier(n_jobs=2)",
        "time.sleep(0)",
        "when = datetime.now()  # noria: repeatable",
        "open = 3",
    ],
)
def test_a_step_that_is_repeatable(tmp_path: Path, step: str) -> None:
    assert found(tmp_path, step=step) == ()


def test_a_helper_in_another_file_is_looked_into(tmp_path: Path) -> None:
    (one,) = found(tmp_path, step="helped()", helper="return time.time()")
    assert (one.rule, one.where) == ("clock", "helpers.py:4")


def test_a_helper_that_no_step_reaches_is_not(tmp_path: Path) -> None:
    assert found(tmp_path, helper="return time.time()") == ()


def test_a_data_step_may_ask_the_world_and_is_told_of_files_that_are_not_kept(tmp_path: Path) -> None:
    assert found(tmp_path, data="import requests; page = requests.get('http://localhost')") == ()
    (one,) = found(tmp_path, data="table = pl.read_csv('rows.csv')")
    assert (one.rule, one.severity) == ("unseen", "risks")


def test_a_pickle_is_a_risk(tmp_path: Path) -> None:
    text = HEAD.replace("@demand.step\n", '@demand.step(codec="pickle")\n')
    (tmp_path / "helpers.py").write_text("def helped(): ...\n")
    (tmp_path / "pipeline.py").write_text(text.format(step="pass", data="pass"))
    try:
        (one,) = lint(resolve(load_pipeline(tmp_path, "pipeline:demand")), Code(tmp_path))
    finally:
        forget(tmp_path)
    assert one.rule == "pickle"


def test_code_from_beside_the_project_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside, project = tmp_path / "libs", tmp_path / "project"
    beside.mkdir()
    project.mkdir()
    (beside / "common_to_all.py").write_text("def doubled(value):\n    return 2 * value\n")
    monkeypatch.syspath_prepend(str(beside))
    try:
        (one,) = found(project, step="import common_to_all; common_to_all.doubled(1)")
    finally:
        sys.modules.pop("common_to_all", None)
    assert (one.rule, one.severity, one.step) == ("outside", "breaks", "model")
    assert one.where == str(beside / "common_to_all.py") and "move it into the project" in one.next

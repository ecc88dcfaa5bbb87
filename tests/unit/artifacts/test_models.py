"""Fitted models: bit-equal answers after a round trip, and one digest wherever they are fitted."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from noria.artifacts import Artifacts, CannotStore, estimators
from noria.artifacts.archives import canonical, canonical_archive
from noria.artifacts.estimators import UntrustedTypes
from noria.artifacts.forged import ForgedTree
from noria.artifacts.parted import parts_of
from noria.artifacts.trusted import TRUSTED
from noria.errors import ConfigError, render
from shared import made
from unit.artifacts import zoo

pytestmark = pytest.mark.slow  # importing scikit-learn and skops takes seconds, fitting a zoo some more

NAMES = list(zoo.zoo())
SEEDS = ("1", "2")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Any]]]:
    """The zoo in two fresh processes with other hash seeds, of which one has less memory layout in common."""
    folder = made("model-zoo", tmp_path_factory, _fitted_twice)
    return [json.loads((folder / f"{seed}.json").read_text()) for seed in SEEDS]


def _fitted_twice(folder: Path) -> None:
    folder.mkdir()
    for seed in SEEDS:
        env = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": ":".join(sys.path),
            "MALLOC_PERTURB_": seed,
        }
        done = subprocess.run(
            [sys.executable, zoo.__file__, folder / seed],
            capture_output=True,
            text=True,
            env=env,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (folder / f"{seed}.json").write_text(done.stdout)


@pytest.mark.parametrize("name", NAMES)
def test_a_loaded_model_answers_bit_for_bit_as_the_fitted_one(runs: list[Any], name: str) -> None:
    assert runs[0][name]["same"]
    assert not runs[0][name]["unsafe"]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_has_one_digest_in_every_process_and_after_a_round_trip(runs: list[Any], name: str) -> None:
    assert runs[0][name]["digest"] == runs[1][name]["digest"] == runs[0][name]["again"]


def test_what_is_loaded_is_what_was_stored_and_never_what_the_step_or_another_reader_still_holds(
    artifacts: Artifacts,
) -> None:
    fitted = zoo.boosting()["random forest"]()
    rows = np.random.default_rng(1).normal(size=(20, fitted.n_features_in_))
    wanted = fitted.predict_proba(rows)
    artifact = artifacts.save(fitted)
    fitted.estimators_ = fitted.estimators_[:1]
    first, second = artifacts.load(artifact), artifacts.load(artifact)
    assert first is not second
    assert np.array_equal(first.predict_proba(rows), wanted)
    first.estimators_.clear()
    assert np.array_equal(second.predict_proba(rows), wanted)


def test_a_model_too_large_to_be_held_twice_is_judged_without_being_made(
    artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimators, "READ_BACK", 0)
    fitted = zoo.boosting()["random forest"]()
    artifact = artifacts.save(fitted)
    assert not artifacts.fresh
    assert len(artifacts.load(artifact).estimators_) == len(fitted.estimators_)


def test_an_archive_holds_no_address_date_or_random_name(artifacts: Artifacts) -> None:
    artifact = artifacts.save(zoo.boosting()["random forest"]())
    assert artifact.type == "sklearn.ensemble.RandomForestClassifier"
    with zipfile.ZipFile(io.BytesIO(artifacts.store.get(artifact.digest))) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist()[1:] == sorted(archive.namelist()[1:])
        assert b"_skops_version" not in archive.read("schema.json")


def test_what_is_shared_inside_of_a_model_is_shared_again(artifacts: Artifacts) -> None:
    from sklearn.preprocessing import FunctionTransformer

    shared = [np.arange(3), {"x": 1}]
    model = FunctionTransformer(
        np.abs, kw_args={"one": shared, "two": shared, "other": [np.arange(3), {"x": 1}]}
    )
    kept = artifacts.load(artifacts.save(model)).kw_args
    assert kept["one"] is kept["two"]
    assert kept["other"] is not kept["one"]
    assert kept["other"][0] is not kept["one"][0]


def test_what_is_equal_is_one_object_only_where_nobody_can_change_it(artifacts: Artifacts) -> None:
    from sklearn.preprocessing import FunctionTransformer

    given = {
        "one": np.arange(3),
        "two": np.arange(3),
        "gone": np.empty((0, 3)),
        "none": np.empty((0, 3)),
        "flat": np.empty(0),
    }
    alike = {**given, "kinds": [np.int64(7), np.int64(7), np.int32(7)]}
    artifact = artifacts.save(FunctionTransformer(np.abs, kw_args=alike))
    kept = artifacts.load(artifact).kw_args
    assert kept["gone"] is kept["none"]
    assert [part.shape for part in (kept["none"], kept["flat"])] == [(0, 3), (0,)]
    assert kept["one"] is not kept["two"]
    assert [type(number) for number in kept["kinds"]] == [np.int64, np.int64, np.int32]
    apart = {**alike, "none": given["gone"]}  # one object here, two there: nobody can tell
    assert artifacts.save(FunctionTransformer(np.abs, kw_args=apart)).digest == artifact.digest


@pytest.mark.parametrize("kind", [zoo.boosting, zoo.linear])
def test_what_skops_takes_apart_is_what_it_writes(kind: Callable[[], dict[str, Callable[[], Any]]]) -> None:
    """A release of skops that takes models apart in another way is found here."""
    from skops import io as skops_io

    for name, make in kind().items():
        fitted = make()
        assert canonical(*parts_of(fitted)) == canonical_archive(skops_io.dumps(fitted)), name


def test_a_skops_whose_inner_names_have_moved_is_read_through_its_archive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from skops.io import _utils

    fitted = zoo.boosting()["random forest"]()
    wanted = canonical(*parts_of(fitted))
    monkeypatch.delattr(_utils, "SaveContext")
    assert canonical(*parts_of(fitted)) == wanted


def test_sets_are_written_in_one_order() -> None:
    from skops import io as skops_io

    words = [f"word {number}" for number in range(30)]
    backwards = words[::-1]
    upwards, downwards = set(words), set(backwards)
    forward, _ = canonical_archive(skops_io.dumps({"set": upwards, "frozen": frozenset(words)}))
    backward, _ = canonical_archive(skops_io.dumps({"set": downwards, "frozen": frozenset(backwards)}))
    assert forward == backward


@pytest.mark.parametrize("name", sorted(TRUSTED))
def test_every_trusted_name_is_that_of_something(name: str) -> None:
    """A name that no longer exists is not harmless: whoever could make it exist would be trusted."""
    module, _, attribute = name.rpartition(".")
    assert hasattr(__import__(module, fromlist=[attribute]), attribute)


def own_class() -> Any:
    from unit.artifacts.estimators import Rounder

    return Rounder().fit(np.zeros((2, 1)))


def own_function() -> Any:
    from sklearn.preprocessing import FunctionTransformer

    from unit.artifacts.estimators import halve

    return FunctionTransformer(halve)


@pytest.mark.parametrize(
    ("make", "name"),
    [(own_class, "unit.artifacts.estimators.Rounder"), (own_function, "unit.artifacts.estimators.halve")],
)
def test_a_projects_own_parts_are_refused_by_name_unless_it_trusts_them(
    artifacts: Artifacts, make: Callable[[], Any], name: str
) -> None:
    with pytest.raises(UntrustedTypes) as caught:
        artifacts.save(make())
    assert isinstance(caught.value, ConfigError)
    assert name in render(caught.value) and 'codec="pickle"' in render(caught.value)
    trusting = Artifacts(artifacts.store, trusted=[name])
    artifact = trusting.save(make())
    assert np.array_equal(trusting.load(artifact).transform([[1.26]]), make().transform([[1.26]]))
    with pytest.raises(UntrustedTypes):
        artifacts.load(artifact)


def test_a_model_with_a_part_that_skops_has_no_form_for_is_refused(artifacts: Artifacts) -> None:
    from sklearn.preprocessing import FunctionTransformer

    with pytest.raises((CannotStore, UntrustedTypes)):
        artifacts.save(FunctionTransformer(np.abs, kw_args={"stream": io.StringIO()}))
    with pytest.raises(CannotStore, match="a dict with keys that are True"):
        artifacts.save(FunctionTransformer(np.abs, kw_args={"weights": {True: 1, False: 2}}))


def forged(artifacts: Artifacts, model: Any, field: str, value: int) -> Any:
    """The model's artifact, with one index of its first tree changed."""
    genuine = artifacts.save(model)
    with zipfile.ZipFile(io.BytesIO(artifacts.store.get(genuine.digest))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name, content in members.items():
        array = np.load(io.BytesIO(content)) if name.endswith(".npy") else np.zeros(0)
        if field in (array.dtype.names or ()):
            array[field][0] = value
            buffer = io.BytesIO()
            np.save(buffer, array)
            members[name] = buffer.getvalue()
            break
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return msgspec.structs.replace(genuine, digest=artifacts.store.put(buffer.getvalue()))


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("random forest", "left_child", 10**9),
        ("random forest", "right_child", 0),
        ("random forest", "feature", 4),
        ("random forest", "feature", -7),
        ("HGB quantile", "left", 10**6),
        ("HGB quantile", "right", 0),
        ("HGB quantile", "feature_idx", 10**9),
        ("nearest neighbours", "idx_end", 10**9),
        ("nearest neighbours, balls", "idx_start", -1),
    ],
)
def test_a_tree_that_leads_out_of_itself_is_not_made(
    artifacts: Artifacts, name: str, field: str, value: int
) -> None:
    with pytest.raises(ForgedTree):
        artifacts.load(forged(artifacts, zoo.zoo()[name](), field, value))


def test_a_booster_is_lightgbms_own_text_without_the_machines_threads(artifacts: Artifacts) -> None:
    import lightgbm as lgb

    rows, label = zoo.numbers()
    facts = {"objective": "binary", "verbose": -1, "deterministic": True, "force_row_wise": True, "seed": 0}
    boosters = [
        lgb.train({**facts, "num_threads": threads}, lgb.Dataset(rows, label), 5) for threads in (1, 2)
    ]
    one, two = (artifacts.save(booster) for booster in boosters)
    assert one.codec == "lightgbm/1"
    assert one.digest == two.digest
    assert artifacts.store.get(one.digest).startswith(b"tree\n")
    assert artifacts.load(one).predict(rows).tobytes() == boosters[0].predict(rows).tobytes()


def test_a_booster_is_xgboosts_own_format_whatever_the_threads(artifacts: Artifacts) -> None:
    import xgboost as xgb

    rows, label = zoo.numbers()
    boosters = [
        xgb.train(
            {"objective": "binary:logistic", "nthread": threads, "seed": 0}, xgb.DMatrix(rows, label), 5
        )
        for threads in (1, 2)
    ]
    one, two = (artifacts.save(booster) for booster in boosters)
    assert (one.codec, one.type, one.unsafe) == ("xgboost/1", "xgboost.Booster", False)
    assert one.digest == two.digest == artifacts.save(artifacts.load(one)).digest
    assert artifacts.load(one).inplace_predict(rows).tobytes() == boosters[0].inplace_predict(rows).tobytes()


def test_an_xgboost_booster_keeps_names_types_and_its_best_iteration(artifacts: Artifacts) -> None:
    import xgboost as xgb

    rows, label = zoo.frame()
    rows = rows[["a", "b", "carrier"]]
    table = xgb.DMatrix(rows, label, enable_categorical=True)
    held_out = xgb.DMatrix(rows, np.roll(label, 7), enable_categorical=True)
    booster = xgb.train(
        {"seed": 0}, table, 50, evals=[(held_out, "other")], early_stopping_rounds=3, verbose_eval=False
    )
    assert 0 <= booster.best_iteration < 49
    loaded = artifacts.load(artifacts.save(booster))
    assert (loaded.best_iteration, loaded.feature_names, loaded.feature_types) == (
        booster.best_iteration,
        booster.feature_names,
        booster.feature_types,
    )
    assert loaded.predict(table).tobytes() == booster.predict(table).tobytes()


def test_a_booster_that_stopped_early_answers_with_its_best_trees(artifacts: Artifacts) -> None:
    import lightgbm as lgb

    rows, label = zoo.numbers()
    random = np.random.default_rng(3)
    held_out = lgb.Dataset(random.normal(size=(100, 4)), random.integers(0, 2, 100))
    facts = {"objective": "binary", "verbose": -1, "seed": 0}
    stop = [lgb.early_stopping(3, verbose=False)]
    booster = lgb.train(facts, lgb.Dataset(rows, label), 50, valid_sets=[held_out], callbacks=stop)
    assert 0 < booster.best_iteration < 50
    loaded = artifacts.load(artifacts.save(booster))
    assert loaded.predict(rows).tobytes() == booster.predict(rows).tobytes()

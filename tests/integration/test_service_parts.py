"""What a service does without a part: a library that is not installed, an environment that cannot be built, its own file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
import tritonclient.grpc as over_grpc
from tritonclient.utils import InferenceServerException

from integration.models_world import MODELS, ask, events, three_models
from integration.routing_world import Admin, routed
from integration.serving_world import World, row, service, until
from integration.test_serving_protocol import inputs
from noria.records.base import canonical, digest_bytes
from noria.records.sources import Environment
from servers import free_port

SOAK = bool(os.environ.get("NORIA_SOAK"))


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, World]]:
    with three_models(tmp_path_factory.mktemp("worlds") / "state") as made:
        yield made


def test_calls_over_grpc_come_to_the_model_that_they_name(worlds: dict[str, World]) -> None:
    options = ("--grpc-port", "0", "--no-spare", "--load", "start")
    with (
        service(worlds["rides"], *options, models=("rides", "fares")) as running,
        over_grpc.InferenceServerClient(running.ready["grpc"]) as client,
        Admin(running) as admin,
    ):
        assert client.is_server_live() and client.is_server_ready()
        for model, least in (("rides", 0.0), ("fares", 500.0)):
            made = client.infer(model, inputs(over_grpc, [row()]))
            assert made.get_response().model_name == model
            assert made.as_numpy("answer").tolist()[0] > least
            assert client.get_model_metadata(model).name == model
        with pytest.raises(InferenceServerException, match="MODEL-NOT-SERVED"):
            client.infer("none", inputs(over_grpc, [row()]))
        with pytest.raises(InferenceServerException, match="NOT-SERVED"):
            client.infer("fares", inputs(over_grpc, [row()]), model_version="2")
        put = {"generation": 0, "challengers": [{"version": 2, "share": 0.0}]}
        until(lambda: admin.client.put("/v1/routing/fares", json=put).status_code == 200, 20, "a challenger")
        asked = client.infer("fares", inputs(over_grpc, [row()]), model_version="2")
        assert asked.get_response().model_version == "2"
        client.unload_model("fares")
        assert not client.is_model_ready("fares")
        assert client.is_model_ready("rides")
        states = {each.name: each.state for each in client.get_model_repository_index().models}
        assert states["rides"] == "READY"
        client.load_model("fares")
        assert client.is_model_ready("fares")


def test_where_grpc_is_asked_for_and_not_installed_nobody_begins(
    worlds: dict[str, World], tmp_path: Path
) -> None:
    """Neither the door of several models, nor the worker of one."""
    python = without_grpc(tmp_path / "bare")
    for which in (["--model", "rides"], ["--models", json.dumps([{"model": each} for each in MODELS])]):
        options = ["--state", str(worlds["rides"].state), *which, "--port", "0", "--grpc-port", "0"]
        done = subprocess.run(
            [python, "-P", "-m", "noria.serving", *options], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 1, done.stderr
        assert "error[SERVE-GRPC]" in done.stderr
        assert "grpcio" in done.stderr
        assert done.stdout == ""


def without_grpc(folder: Path) -> str:
    """An interpreter that has all that this one has, but for grpcio."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    [into] = folder.glob("lib/python*/site-packages")
    for each in Path(sysconfig.get_path("purelib")).iterdir():
        if not each.name.startswith("grpc"):
            (into / each.name).symlink_to(each)
    return str(folder / "bin" / "python")


def test_a_version_whose_environment_cannot_be_built_answers_in_this_one_and_says_so(
    worlds: dict[str, World], tmp_path: Path
) -> None:
    here = Environment(python="3.99", implementation="CPython", platform="linux", packages=digest_bytes(b""))
    options = (
        "--environment",
        canonical(here).decode(),
        "--project",
        str(tmp_path),
        "--no-spare",
        "--deadline",
        "60",
    )
    with service(worlds["rides"], *options, models=("rides", "fares")) as running:
        assert ask(running, "rides").status_code == 200
        told = events(running, "environment.other")[0]
        assert told["version"] == "rides:1"
        assert "error[" in told["why"]


@pytest.mark.skipif(
    not SOAK, reason="long: make soak; which file is whose is in tests/unit/serving/test_kept.py"
)
def test_two_services_of_one_alias_keep_a_table_each(worlds: dict[str, World]) -> None:
    rides = worlds["rides"]
    port = free_port()
    with routed(rides, "--no-spare", port=port) as (_, first):
        first.canary(0.3)
        with routed(rides, "--no-spare") as (_, other):
            assert other.table().challengers == ()
            assert other.show()["kept"] is True
        assert first.table().challengers[0].share == 0.3
    with routed(rides, "--no-spare", port=port) as (_, again):
        until(lambda: again.table().challengers, 20, "the table of before")
        assert again.table().challengers[0].share == 0.3

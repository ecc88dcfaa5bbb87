"""The head of a Ray cluster goes in the middle of a run: said, bounded, and gone on with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.project import Project
from e2e.test_crashes import until
from e2e.test_ray import begun, slow
from servers_ray import own_cluster
from servers_s3 import environment

pytestmark = [pytest.mark.slow, pytest.mark.soak]
PATIENCE = "18"  # s, of which all but 15 are waited for the head


@pytest.fixture
def waits(make_project: Callable[..., Project], tmp_path: Path) -> Project:
    return slow(make_project, f"file://{tmp_path}/objects", tmp_path)


def test_a_head_that_is_lost_ends_the_command_and_a_new_cluster_goes_on(waits: Project) -> None:
    with own_cluster(nodes=0) as cluster:
        told = {**cluster.variables(), "RAY_gcs_rpc_server_reconnect_timeout_s": PATIENCE}
        with environment(told):
            driver = waits.start("run")
            until(lambda: begun(waits) or driver.poll() is not None, "an item began")
            cluster.kill(2)
            out, err = driver.communicate(timeout=120)
        assert driver.returncode == 4, f"{out}\n{err}"
        assert f"error[RAY-HEAD-LOST]: the Ray cluster at {cluster.address} is gone under the run" in err
        assert "has not answered for 3 s (Connection refused)" in err
        assert "next:  start the cluster again" in err
        assert "StackTrace" not in err and "ray." not in out
        left = waits.json("runs")[0]
        assert left["state"] == "interrupted" and "Connection refused" in left["outcome"]["why"]
    waits.write("go", "")
    with own_cluster(nodes=0, at=cluster.address) as new, environment(new.variables()):
        waits.noria("run")
    run = waits.json("runs")[0]
    assert run["name"] == "slow/1" and run["state"] == "succeeded"
    assert (waits.folder / "first.count").read_text() == "x", "what had finished is kept"

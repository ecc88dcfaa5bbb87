"""Several models under one address, through the command line."""

from __future__ import annotations

import http.client
import signal
from urllib.parse import urlsplit

from e2e.project import FIRST, Project
from e2e.test_crashes import WAITING
from e2e.test_wheel import ask

ROW = {"id": "new-1", "asked": "2024-02-11T10:00:00Z", "warm": 10.0, "shop": "north"}


def test_one_service_for_all_models_that_have_a_champion(trained: Project) -> None:
    policy = (trained.folder / "noria.toml").read_text()
    trained.write(
        "noria.toml", policy + policy.replace("demand.", "sales.").replace("model.demand]", "model.sales]")
    )
    trained.write(
        "noria.toml",
        (trained.folder / "noria.toml").read_text() + '\n[model.idle]\npipeline = "pipeline:demand"\n',
    )
    trained.commit("A second model, and a third that is never trained")
    trained.noria("run", "sales", "--as-of", FIRST)
    twice = trained.noria("serve", "demand", "demand:1", exit=2)
    assert "error[SERVE-TWICE]: demand is named twice, as demand@champion, demand:1" in twice.stderr

    process = trained.start("serve", "--port", "0", "--no-watch")
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("demand@champion, sales@champion answer at http://127.0.0.1:"), line
        connection = http.client.HTTPConnection(
            "127.0.0.1", urlsplit(line.split("answer at ")[1].split()[0]).port, timeout=WAITING
        )
        assert "not loaded" in trained.noria("service").stdout
        assert "once it is asked" in trained.noria("status", "sales").stdout
        for model in ("demand", "sales"):
            status, body = ask(connection, f"/v1/models/{model}/predict", {"rows": [ROW]})
            assert (status, body["model"]) == (200, model)
        versions = {each["model"]: each["version"] for each in trained.json("service", "list")}
        assert versions == {"demand": 1, "sales": 1}
        assert "sales:1" in trained.noria("service", "show", "sales").stdout
        assert "sales:1" in trained.noria("status", "sales").stdout
        for model in ("demand", "sales"):
            assert "new-1" in trained.noria("predictions", model).stdout
        connection.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WAITING)
    assert trained.json("service", "list") == []


def test_without_a_champion_there_is_nothing_to_serve(project: Project) -> None:
    assert "error[SERVE-CHAMPIONS]" in project.noria("serve", "--port", "0", exit=3).stderr
    project.write(
        "noria.toml",
        (project.folder / "noria.toml").read_text() + '[service]\nload = "never"\nidle = "soon"\n',
    )
    refused = project.noria("serve", exit=2).stderr
    assert 'service.load is "never"; it must be "asked" or "start"' in refused
    assert "service.idle" in refused

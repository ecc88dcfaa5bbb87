"""New data that is not as it was never reaches training, and the reason is an event."""

from __future__ import annotations

import pytest

from e2e.project import FIRST, Project

LATER = "2024-03-20T00:00:00Z"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"warm": warm,', '"warm": 1.8 * warm + 320,', "warm lies in"),
        (
            '"warm": warm,',
            '"warm": [None if n % 3 == 0 else x for n, x in enumerate(warm)],',
            "warm is missing in 33",
        ),
        ('"south"),', '"west"),', "shop has new categories"),
        ('"returned": random', '"shopping": warm, "returned": random', None),
        ('"warm": warm,', '"warm": [str(x) for x in warm],', "warm was double, and is"),
        ('"shop": np.where', '"told": slope * warm + 0.001, "shop": np.where', None),
    ],
    ids=["unit", "missing", "category", "new column", "type", "tells much"],
)
def test_a_planted_fault_is_refused_before_any_step_reads_it(
    trained: Project, old: str, new: str, words: str | None
) -> None:
    trained.replace("pipeline.py", old, new)
    done = trained.noria("run", "--as-of", LATER, exit=None)
    if words is None:
        assert "DATA-REFUSED" not in done.stderr
        return
    assert "DATA-REFUSED" in done.stderr and words in done.stderr and "demand:1" in done.stderr
    run = trained.json("show", "demand/2")
    assert run["view"]["state"] == "failed" and [step["step"] for step in run["steps"]] == ["days"]
    refused = trained.json("audit", "--events")[0]["entries"][-2]
    assert refused["kind"] == "data.refused" and words in refused["about"]


def test_rows_that_become_few_are_refused(trained: Project) -> None:
    trained.replace(
        "pipeline.py",
        "    return pl.DataFrame(",
        "    return thin(",
    )
    trained.replace(
        "pipeline.py",
        "@demand.data",
        "def thin(columns, **more):\n    table = pl.DataFrame(columns, **more)\n    late = pl.col('asked') > datetime(2024, 2, 10, tzinfo=UTC)\n    return table.filter(~late | (pl.int_range(pl.len()) % 5 == 0))\n\n\n@demand.data",
    )
    error = trained.noria("run", "--as-of", LATER, exit=1).stderr
    assert "DATA-REFUSED" in error and "rows a day" in error


def test_the_label_under_another_name_is_found_in_the_first_run(project: Project) -> None:
    project.replace(
        "pipeline.py",
        '"returned": random',
        '"sales": 2 * (slope * warm + random.normal(0, 1e-9, len(day))), "returned": random',
    )
    project.replace(
        "pipeline.py", '"sold": slope * warm + random.normal(0, 1, len(day))', '"sold": slope * warm'
    )
    error = project.noria("run", "--as-of", FIRST, exit=1).stderr
    assert "DATA-REFUSED" in error and "sales says the label" in error


def test_a_person_may_accept_it_and_a_project_may_set_its_limits(trained: Project) -> None:
    trained.replace("pipeline.py", '"south"),', '"west"),')
    trained.noria("run", "--as-of", LATER, exit=1)
    done = trained.noria("run", "--as-of", LATER, "--accept-data", exit=None)
    assert "data: shop has new categories" in done.stderr
    trained.noria("rollback", "demand", exit=None)
    trained.noria("promote", "demand:1", "--force", exit=None)
    trained.write(
        "noria.toml",
        (trained.folder / "noria.toml").read_text() + "\n[model.demand.data]\ncategories = false\n",
    )
    assert "DATA-REFUSED" not in trained.noria("run", "--as-of", LATER, exit=None).stderr


def test_growth_by_itself_is_never_refused(project: Project) -> None:
    for month, day in ((2, 10), (2, 20), (3, 1), (3, 20), (4, 20)):
        done = project.noria("run", "--as-of", f"2024-0{month}-{day:02}T00:00:00Z", "--quiet", exit=None)
        assert "DATA-REFUSED" not in done.stderr


def test_versions_profiles_and_differences_are_shown(trained: Project) -> None:
    trained.noria("run", "--as-of", "2024-02-25T00:00:00Z", exit=None)
    trained.replace("pipeline.py", '"south"),', '"west"),')
    trained.noria("run", "--as-of", LATER, exit=1)
    newest, second, first = trained.json("data", "demand")
    assert [view["runs"] for view in (first, second, newest)] == [["demand/1"], ["demand/2"], ["demand/3"]]
    assert first["versions"] == ["demand:1"] and "refused" not in first
    assert [one["check"] for one in newest["refused"]] == ["categories", "categories"]
    assert "demand/3: shop has new categories" in trained.noria("data").stdout
    profile = trained.json("data", "demand:1")["profile"]
    shop = next(one for one in profile["columns"] if one["name"] == "shop")
    assert shop["levels"] == ["north", "south"] and sum(shop["counts"]) == first["data"]["rows"]
    assert "shop" in trained.noria("data", "demand/1").stdout
    diff = trained.json("data", "demand:1", "demand/3")
    assert diff["same"] is False
    assert any("west" in one["what"] for one in diff["findings"])
    assert "same to the last bit" in trained.noria("data", "demand/1", "demand:1").stdout
    assert "RUN-UNKNOWN" in trained.noria("data", "demand/9", exit=3).stderr

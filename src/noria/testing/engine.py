"""What every engine promises, as tests: `class TestMine(EngineContract)` with a fixture `opener`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from noria.errors import ConfigError, StepFailed
from noria.ports.engine import Broke, Ended, Started
from noria.records.base import Digest, digest_bytes
from noria.records.needs import Needs
from noria.testing.engine_pipeline import FILES
from noria.testing.engine_site import PATIENCE, RUN, Opened, Opener, Site, alive, driver, wait_gone

__all__ = ["EngineContract", "Opened", "Opener"]

MANY = 20  # jobs at once, on three cores at most


class EngineContract:
    """Subclass it and give the fixture `opener`."""

    @pytest.fixture
    def opener(self) -> Opener:
        raise NotImplementedError("the subclass gives a fixture `opener`")

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """One source tree for all, so that a worker may serve several tests."""
        folder = tmp_path_factory.mktemp("project")
        for name, text in FILES.items():
            (folder / name).write_text(text)
        return folder

    @pytest.fixture
    def site(self, opener: Opener, folder: Path) -> Iterator[Site]:
        opened = opener(folder)
        yield Site(folder, opened)
        opened.engine.close()

    # what a step prints and makes

    def test_everything_that_is_printed_is_captured(self, site: Site) -> None:
        done = site.run("says")
        said = ["from Python", "from C", "from a child", "from descriptor 2", "to stderr é☃"]
        assert site.lines("says") == [*said, "progress 2", "no end"]
        assert site.log(done.log) == "\n".join([*said, "progress 1\rprogress 2", "no end"])
        assert site.run("noop").log is None

    def test_lines_come_while_the_step_runs(self, site: Site, tmp_path: Path) -> None:
        answer = tmp_path / "answer"
        id = site.submit("asks", given={"answer": str(answer)})
        site.hear(lambda: site.lines(id))
        assert site.last(id) is None
        answer.touch()
        site.end(id)
        assert site.stored(site.done(id), "asks") == "answered"

    def test_output_cannot_disturb_the_protocol(self, site: Site) -> None:
        done = site.run("noise")
        assert done.log is not None and len(site.opened.store.get(done.log)) == 200 * 25_600
        assert site.value("noop") == 0

    def test_large_results_pass(self, site: Site) -> None:
        assert site.run("big").outputs["big"].size > 5_000_000

    def test_code_comes_from_the_source_tree_alone_and_is_what_was_asked_for(self, site: Site) -> None:
        assert site.value("reads") == "beside the code"
        files = {name: digest_bytes(text.encode()) for name, text in FILES.items()}
        assert site.value("noop", files=files) == 0
        id = site.submit("double", files={**files, "helpers.py": files["pipeline.py"]})
        site.end(id)
        broke = site.last(id)
        assert isinstance(broke, Broke)
        assert (broke.error.code, broke.fault) == ("SOURCE-CHANGED", "changed")

    def test_code_that_was_refused_to_one_job_is_there_for_the_next(self, site: Site) -> None:
        """Of one worker, which imports it for the first time in the job that is refused: so of a tree of its own."""
        (site.root / "of_its_own.py").write_text(f"ROOT = {str(site.root)!r}\n")
        files = {name: digest_bytes(text.encode()) for name, text in FILES.items()}
        ids = [
            site.submit("noop", id=f"refused {n}", files={**files, "helpers.py": Digest("")})
            for n in range(MANY)
        ]
        site.end(*ids)
        for id in ids:
            broke = site.last(id)
            assert isinstance(broke, Broke) and broke.fault == "changed"
        for n in range(MANY):
            assert site.value("noop", id=f"again {n}", files=files) == 0

    def test_the_environment_is_fixed(self, site: Site) -> None:
        assert site.value("settings") == ["0", "1", "1", "UTC"]
        three = site.value("settings", id="three", needs=Needs(threads=3))
        assert three == ["0", "3", "3", "UTC"]

    def test_figures_and_cards_come_with_the_result(self, site: Site) -> None:
        done = site.run("logs")
        assert done.series is not None and done.series.rows == 3
        assert [exhibit.title for exhibit in done.card] == ["a word"]

    def test_figures_of_a_step_that_broke_are_left_where_one_looks_for_them(self, site: Site) -> None:
        site.broke("logs", id="diverges", given={"diverge": True})
        files = list((site.opened.state / "spool" / RUN).glob("logs.*.spool"))
        assert sum(file.stat().st_size for file in files) > 0

    def test_a_step_goes_on_from_its_checkpoint(self, site: Site) -> None:
        assert site.broke("goes_on").fault == "lost"
        assert site.value("goes_on", id="again") == "from 1"

    # what goes wrong

    @pytest.mark.parametrize(
        ("step", "said"),
        [
            ("killed", "signal 9 (SIGKILL)\nits last lines were:\n  my last words"),
            ("crashed", "signal 11 (SIGSEGV), and had printed nothing"),
            ("left", "exit code 7, and had printed nothing"),
        ],
    )
    def test_a_lost_worker_is_told_and_replaced(self, site: Site, step: str, said: str) -> None:
        broke = site.broke(step)
        assert (broke.fault, broke.error.code) == ("lost", "WORKER-LOST")
        assert str(broke.error) == f"step {step} ended its process with {said}"
        assert site.value("noop") == 0

    def test_a_lost_workers_log_is_kept(self, site: Site) -> None:
        assert site.log(site.broke("killed").error.facts()["log"]) == "my last words\n"

    def test_an_exception_shows_the_users_frames_alone(self, site: Site) -> None:
        broke = site.broke("raises")
        assert isinstance(broke.error, StepFailed)
        assert (broke.fault, broke.error.code) == ("code", "STEP-RAISED")
        text = str(broke.error)
        assert text.startswith("step raises raised ZeroDivisionError: division by zero\n")
        assert 'File "pipeline.py", line' in text
        assert 'File "helpers.py", line 2, in divide' in text
        assert "noria/" not in text and str(site.root) not in text
        assert "caused by ZeroDivisionError" in str(site.broke("explains").error)

    def test_norias_own_errors_keep_their_family_and_advice(self, site: Site) -> None:
        error = site.broke("unstorable").error
        assert isinstance(error, ConfigError)
        assert (error.code, error.exit) == ("CANNOT-STORE", 2)
        assert "return a table" in error.advice()

    @pytest.mark.parametrize(
        ("step", "said"), [("quits", "SystemExit('so long')"), ("interrupted", "KeyboardInterrupt")]
    )
    def test_leaving_by_an_exception_is_a_failure_and_no_lost_worker(
        self, site: Site, step: str, said: str
    ) -> None:
        broke = site.broke(step)
        assert (broke.fault, broke.error.code) == ("code", "STEP-RAISED")
        assert said in str(broke.error)

    def test_a_pipeline_that_cannot_be_imported_is_told(self, opener: Opener, tmp_path: Path) -> None:
        (tmp_path / "pipeline.py").write_text("import noria\nprint('importing')\nimport nowhere\n")
        opened = opener(tmp_path)
        try:
            broke = Site(tmp_path, opened).broke("noop")
        finally:
            opened.engine.close()
        assert broke.error.code == "PIPELINE-IMPORT"
        assert "No module named 'nowhere'" in str(broke.error)

    def test_an_interpreter_that_is_not_there_is_told(self, site: Site, tmp_path: Path) -> None:
        broke = site.broke("noop", python=tmp_path / "python")
        assert broke.error.code.startswith("WORKER-START")
        assert site.value("noop", id="mine", python=Path(sys.executable)) == 0

    def test_a_step_that_takes_too_long_is_ended(self, site: Site) -> None:
        broke = site.broke("hangs", timeout=2.0)
        assert (broke.fault, broke.error.code) == ("timeout", "STEP-TIMEOUT")
        wait_gone(*site.pids("hangs"))

    def test_a_step_is_held_to_its_memory(self, site: Site) -> None:
        broke = site.broke("takes", given={"mebibytes": 1024}, needs=Needs(memory=256 << 20))
        assert broke.fault == "memory" and "256 MiB" in broke.error.advice()
        assert site.value("takes", id="less", given={"mebibytes": 64}, needs=Needs(memory=256 << 20)) == 64

    # side by side

    def test_jobs_run_side_by_side(self, site: Site, tmp_path: Path) -> None:
        for me, other in ("ab", "ba"):
            site.submit("meets", id=me, given={"folder": str(tmp_path), "me": me, "other": other})
        site.end("a", "b")
        assert [site.stored(site.done(id), "meets") for id in "ab"] == ["a met b", "b met a"]

    def test_what_takes_all_runs_one_after_another(self, site: Site, tmp_path: Path) -> None:
        ids = [
            site.submit("has_it_all", id=str(n), given={"folder": str(tmp_path)}, needs=Needs(cpus=2))
            for n in range(3)
        ]
        site.end(*ids)
        assert [site.stored(site.done(id), "has_it_all") for id in ids] == [True] * 3

    def test_many_jobs_all_come_back(self, site: Site) -> None:
        ids = [site.submit("double", id=str(n), given={"number": n}) for n in range(MANY)]
        site.end(*ids)
        assert [site.stored(site.done(id), "double") for id in ids] == [2 * n for n in range(MANY)]
        for id in ids:
            assert isinstance(site.heard[id][0], Started)

    def test_alone_is_alone_on_its_machine(self, site: Site) -> None:
        ids = [site.submit("naps", id=str(n), alone=n == 2) for n in range(6)]
        site.end(*ids)
        where: dict[str, str] = {}
        for one in site.order:
            if isinstance(one, Started):
                beside = [id for id, place in where.items() if place == one.where]
                assert not beside or ("2" not in beside and one.id != "2"), f"{one.id} beside {beside}"
                where[one.id] = one.where
            elif isinstance(one, Ended):
                del where[one.id]

    def test_more_than_there_could_ever_be_is_refused(self, site: Site) -> None:
        with pytest.raises(ConfigError) as caught:
            site.submit("noop", needs=Needs(cpus=10_000))
        assert caught.value.code.endswith("-TOO-SMALL")
        assert "step noop asks for 10000 cores" in str(caught.value)

    def test_a_name_is_used_once_at_a_time(self, site: Site) -> None:
        id = site.submit("naps")
        with pytest.raises(ValueError, match="naps"):
            site.submit("naps")
        site.end(id)
        assert site.value("naps") == "slept"

    def test_nothing_to_wait_for(self, site: Site) -> None:
        assert site.engine.wait() == [] == site.engine.wait(0)
        site.run("noop")
        assert site.engine.wait() == []

    def test_waiting_ends_in_time(self, site: Site) -> None:
        id = site.submit("hangs")
        site.pids(id)
        assert site.engine.wait(0.05) == []
        site.engine.cancel(id)

    # ending

    def test_a_cancelled_job_is_gone_with_all_that_it_started(self, site: Site) -> None:
        id = site.submit("hangs")
        pids = site.pids(id)
        site.engine.cancel(id)
        wait_gone(*pids)
        assert site.engine.wait() == []
        assert site.value("noop") == 0
        site.engine.cancel("nobody")

    def test_a_queued_job_may_be_cancelled(self, site: Site, tmp_path: Path) -> None:
        ids = [
            site.submit("has_it_all", id=str(n), given={"folder": str(tmp_path)}, needs=Needs(cpus=2))
            for n in range(3)
        ]
        site.engine.cancel(ids[1])
        site.end(ids[0], ids[2])
        assert not any(isinstance(one, Ended | Broke) for one in site.heard[ids[1]])

    def test_closing_leaves_no_process(self, opener: Opener, folder: Path) -> None:
        site = Site(folder, opener(folder))
        pids = site.pids(site.submit("hangs"))
        site.engine.close()
        wait_gone(*pids)
        site.engine.close()  # twice is harmless

    @pytest.mark.parametrize("with_signal", [signal.SIGKILL, signal.SIGINT])
    def test_a_driver_that_dies_leaves_nothing_behind(
        self, opener: Opener, folder: Path, with_signal: signal.Signals
    ) -> None:
        """Not even a worker in the middle of a loop in C, nor what it started."""
        with driver(opener, folder) as (process, pids):
            assert all(map(alive, pids))
            process.send_signal(with_signal)
            process.wait(PATIENCE)
            wait_gone(*pids)
            assert process.returncode != 0

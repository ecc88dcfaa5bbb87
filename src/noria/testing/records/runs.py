"""The contract of `RunRecords`."""

from __future__ import annotations

import msgspec
import pytest

from noria.errors import Conflict, NotFound
from noria.records.base import Digest, digest_of
from noria.records.chain import verify_chain
from noria.records.events import (
    RunStarted,
)
from noria.records.runs import Abandoned, Failed, Interrupted, Pruned, Succeeded
from noria.testing.records.doors import Doors, append, begin
from noria.testing.samples import (
    MODEL,
    a_result,
    run_finished,
    step_finished,
)


class RunRecordsContract:
    def test_tells_a_run_and_its_end(self, records: Doors) -> None:
        run = begin(records)
        assert records.runs.run(MODEL, 1) == (run, None, None)
        end = run_finished(run)
        append(records, end)
        assert records.runs.run(MODEL, 1) == (run, end.finished, end.outcome)
        assert records.runs.run(MODEL, 2) is None

    def test_lists_the_newest_first(self, records: Doors) -> None:
        for minutes, model in enumerate([MODEL, "fare", MODEL]):
            begin(records, model, minutes=minutes)
        assert [run.name for run, _, _ in records.runs.runs()] == ["delay/2", "fare/1", "delay/1"]
        assert [run.name for run, _, _ in records.runs.runs(MODEL)] == ["delay/2", "delay/1"]
        assert [run.name for run, _, _ in records.runs.runs(last=1)] == ["delay/2"]

    def test_keeps_steps_in_the_order_in_which_they_finished(self, records: Doors) -> None:
        run = begin(records)
        results = [a_result(name) for name in ("zeta", "alpha", "mid")]
        for result in results:
            append(records, step_finished(run, result))
        assert records.runs.steps(MODEL, 1) == results

    def test_learns_of_reused_steps_and_their_place_at_the_end(self, records: Doors) -> None:
        first, second = begin(records), begin(records)
        made, reused = a_result("split"), a_result("split", reused=first.name)
        append(records, step_finished(first, made))
        append(records, run_finished(first, made))
        last = a_result("classifier")
        append(records, step_finished(second, last))
        append(records, run_finished(second, reused, last))
        assert records.runs.steps(MODEL, 2) == [reused, last]

    def test_tells_the_results_of_all_runs_one_run_after_the_other(self, records: Doors) -> None:
        assert list(records.runs.results(MODEL)) == []
        first, second, other = begin(records), begin(records), begin(records, "fare")
        old, new, late = a_result("split", content=1), a_result("split", content=2), a_result("train")
        append(records, step_finished(second, late))
        append(records, step_finished(first, old))
        append(records, step_finished(first, new))
        append(records, step_finished(other, a_result("split")), model="fare")
        assert list(records.runs.results(MODEL)) == [(1, new), (2, late)]

    def test_takes_the_same_step_twice_as_once(self, records: Doors) -> None:
        run = begin(records)
        one, two = a_result("flights"), a_result("split")
        append(records, step_finished(run, one), step_finished(run, two))
        append(records, step_finished(run, one))
        assert records.runs.steps(MODEL, 1) == [one, two]
        assert verify_chain(records.ledger.events(MODEL)) == 4

    def test_lets_a_later_result_of_a_step_take_the_place_of_an_earlier(self, records: Doors) -> None:
        run = begin(records)
        before, after = a_result("flights", content="old"), a_result("flights", content="new")
        append(records, step_finished(run, before))
        append(records, step_finished(run, after))
        assert records.runs.steps(MODEL, 1) == [after]
        assert verify_chain(records.ledger.events(MODEL)) == 3

    def test_finds_the_newest_result_of_a_fingerprint_and_who_executed_it(self, records: Doors) -> None:
        first, second, third = begin(records), begin(records), begin(records)
        made = a_result("split")
        append(records, step_finished(first, made))
        fingerprint = digest_of(made.fingerprint)
        assert records.runs.cached(MODEL, fingerprint) == (made, "delay/1")

        reused = a_result("split", reused="delay/1")
        append(records, run_finished(second, reused))
        assert records.runs.cached(MODEL, fingerprint) == (reused, "delay/1")

        again = a_result("split", content="once more")
        append(records, step_finished(third, again))
        assert records.runs.cached(MODEL, fingerprint) == (again, "delay/3")

    def test_finds_nothing_for_another_fingerprint_or_model(self, records: Doors) -> None:
        made = a_result("split")
        append(records, step_finished(begin(records), made))
        assert records.runs.cached(MODEL, Digest("blake3:" + "1" * 64)) is None
        assert records.runs.cached("fare", digest_of(made.fingerprint)) is None

    def test_reads_ahead_what_the_run_before_tells_to_ask_for(self, records: Doors) -> None:
        first, second, third = begin(records), begin(records), begin(records)
        made, changed = a_result("split"), a_result("train", content="old")
        append(records, step_finished(first, made))
        append(records, step_finished(first, changed))
        append(records, step_finished(first, a_result("score")))
        append(records, run_finished(second, a_result("split", reused="delay/1"), changed))
        newer = a_result("train", content="new")
        append(records, step_finished(third, newer))
        ahead = records.runs.ahead(MODEL, 3)
        assert set(ahead) == {digest_of(one.fingerprint) for one in (made, changed)}
        assert ahead == {one: records.runs.cached(MODEL, one) for one in ahead}
        assert ahead[digest_of(newer.fingerprint)] == (newer, "delay/3")  # the newest, whoever made it
        assert len(records.runs.ahead(MODEL, 2)) == 3

    def test_reads_nothing_ahead_of_a_first_run_or_from_another_model(self, records: Doors) -> None:
        append(records, step_finished(begin(records), a_result("split")))
        assert records.runs.ahead(MODEL, 1) == {}
        assert records.runs.ahead("fare", 2) == {}

    def test_keeps_many_results_of_one_event_in_their_order(self, records: Doors) -> None:
        run = begin(records)
        before, replaced = a_result("s3"), a_result("s5", content="old")
        append(records, step_finished(run, before))
        append(records, step_finished(run, replaced))
        results = [before if n == 3 else a_result(f"s{n}") for n in (6, 5, 4, 3, 2, 1, 0)]
        append(records, run_finished(run, *results))
        assert records.runs.steps(MODEL, 1) == results
        assert verify_chain(records.ledger.events(MODEL)) == 4

    def test_finds_the_last_result_of_a_step_whatever_its_fingerprint(self, records: Doors) -> None:
        run = begin(records)
        append(records, step_finished(run, a_result("split", code="old")))
        append(records, step_finished(run, a_result("split", code="new")))
        assert records.runs.last(MODEL, "split") == a_result("split", code="new")
        assert records.runs.last(MODEL, "nothing") is None

    def test_finds_the_unfinished_run(self, records: Doors) -> None:
        assert records.runs.unfinished(MODEL) is None
        run = begin(records)
        assert records.runs.unfinished(MODEL) == run
        append(records, run_finished(run))
        assert records.runs.unfinished(MODEL) is None

    def test_lets_an_interrupted_run_go_on(self, records: Doors) -> None:
        run = begin(records)
        made = a_result("flights")
        append(records, step_finished(run, made))
        append(records, run_finished(run, made, outcome=Interrupted()))
        assert records.runs.unfinished(MODEL) == run

        append(records, RunStarted(run=run))
        assert records.runs.run(MODEL, 1) == (run, None, None)
        reused, more = a_result("flights", reused=run.name), a_result("split")
        append(records, step_finished(run, more))
        append(records, run_finished(run, reused, more))
        assert records.runs.unfinished(MODEL) is None
        assert records.runs.steps(MODEL, 1) == [reused, more]
        assert records.runs.cached(MODEL, digest_of(made.fingerprint)) == (reused, run.name)
        assert verify_chain(records.ledger.events(MODEL)) == 6

    @pytest.mark.parametrize(
        "outcome",
        [Succeeded(), Failed(step="split", code="STEP", error="no"), Abandoned(by="delay/2"), Pruned()],
    )
    def test_refuses_to_change_a_run_that_is_over(self, records: Doors, outcome: object) -> None:
        run = begin(records)
        append(records, run_finished(run, outcome=outcome))  # type: ignore[arg-type]
        for change in (run_finished(run), step_finished(run, a_result("late")), RunStarted(run=run)):
            with pytest.raises(Conflict):
                append(records, change)
        assert records.runs.run(MODEL, 1) == (run, run_finished(run).finished, outcome)

    def test_refuses_steps_of_a_run_that_never_began(self, records: Doors) -> None:
        run = begin(records)
        with pytest.raises(NotFound):
            append(records, step_finished(msgspec.structs.replace(run, number=9), a_result("split")))

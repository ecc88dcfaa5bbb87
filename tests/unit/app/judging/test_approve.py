"""A person's word is kept whatever becomes of it."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from noria.app.judging.approve import GatesChanged, approve
from noria.app.judging.asked import asked_by
from noria.app.rollouts.verbs import begun
from noria.app.wiring import App
from noria.cli.approve import approve_lines
from noria.records.events import Judged
from noria.records.gates import Judgement, Verdict
from noria.records.rollouts import Owing, Rollout, RolloutMoved, RolloutPolicy, RolloutStarted
from unit.app.stored import START, TOML, history, opened

WAITING = (
    Verdict(gate="auc", outcome="pass", why="0.7"),
    Verdict(gate="approval", outcome="undecided", why="nobody said"),
)
RULES = '\n[model.delay.gates]\nauc = { at_least = 0.5 }\napproval = "required"\n\n[model.delay.rollout]\nsteps = ["10%"]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """delay:2 waits for a word, and a rollout would follow."""
    history(tmp_path)
    (tmp_path / "noria.toml").write_text(TOML + RULES)
    with opened(tmp_path) as app:
        asked = asked_by(app.model("delay"))
        judgement = Judgement(
            model="delay", version=2, champion=1, judged=START, verdicts=WAITING, asked=asked
        )
        app.records.ledger.append("delay", [Judged(judgement=judgement)], at=START)
    return tmp_path


def under_way(app: App) -> Rollout:
    version = app.records.versions.version("delay", 2)
    assert version is not None
    (started,) = begun(app, version, RolloutPolicy(), by="bob")
    assert isinstance(started, RolloutStarted)
    app.records.ledger.append("delay", [started], at=START)
    return started.rollout


def test_while_another_rollout_is_under_way_the_word_is_kept_and_it_is_said(folder: Path) -> None:
    with opened(folder) as app:
        under_way(app)
        tried = approve(app, "delay:2", why="looked", by="ada", dry_run=True)
        done = approve(app, "delay:2", why="looked", by="ada")
        (newest, *_) = app.records.versions.judgements("delay", 2)
        (rollout,) = app.records.rollouts.rollouts("delay")
    assert done.held == "rollout delay/r1 of delay:2 is under way, and a model has one at a time"
    assert (done.rollout, done.moved) == ("", None) and tried == done
    assert newest.passed and newest.cause == "approval"
    assert rollout.by == "bob"


def test_one_that_only_waits_for_labels_gives_way(folder: Path) -> None:
    with opened(folder) as app:
        first = under_way(app)
        owing = replace(first, revision=2, phase=Owing(since=START))
        app.records.ledger.append(
            "delay", [RolloutMoved(rollout=owing, why="promoted", by="rollout")], at=START
        )
        done = approve(app, "delay:2", why="looked", by="ada")
    assert (done.rollout, done.held) == ("delay/r2", "")


@pytest.mark.parametrize(
    ("old", "new"),
    [("auc = ", "size_mb = { at_most = 1 }\nauc = "), ("0.5", "0.6")],
    ids=["a gate more", "another limit"],
)
def test_what_was_judged_by_other_gates_is_judged_again_first(folder: Path, old: str, new: str) -> None:
    toml = folder / "noria.toml"
    text = toml.read_text()
    assert old in text
    toml.write_text(text.replace(old, new))
    with opened(folder) as app:
        with pytest.raises(GatesChanged) as refused:
            approve(app, "delay:2", why="looked", by="ada")
        assert app.records.versions.aliases("delay")["champion"] == 1
        approve(app, "delay:2", why="never", by="ada", granted=False)
    assert refused.value.advice() == "noria gate delay:2, then approve what that says"


@pytest.mark.parametrize("granted", [True, False])
def test_a_word_on_the_champion_itself_says_that_it_is(folder: Path, granted: bool) -> None:
    with opened(folder) as app:
        asked = asked_by(app.model("delay"))
        judgement = Judgement(
            model="delay", version=1, champion=None, judged=START, verdicts=WAITING, asked=asked
        )
        app.records.ledger.append("delay", [Judged(judgement=judgement)], at=START)
        done = approve(app, "delay:1", why="looked", by="ada", granted=granted)
    last = approve_lines(done, dry=False)[-1]
    assert done.moved is None
    assert last.startswith("it is the champion")
    assert ("noria rollback delay" in last) != granted

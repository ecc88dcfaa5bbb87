"""A search's memory: an Optuna study in the project's state, which later calls go on with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from noria.errors import ConfigError, Conflict
from noria.records.base import Json, canonical
from noria.records.tuning import Choice, Range, Space, Trial, Tuned

if TYPE_CHECKING:
    import optuna

    from noria.app.wiring import App

Direction = Literal["minimize", "maximize"]

SEEDS = 2**32  # what numpy's older generator takes
WARM = 5  # trials that run to their end before any is given up: a median of fewer says little
RUN, WHY = "run", "why"  # what is noted of a trial beside Optuna's own
AGAIN = "again"  # and of a study: the numbers of trials that were broken off


@dataclass(eq=False)
class NeedsOptuna(ConfigError):
    code: ClassVar[str] = "TUNE-LIBRARY"
    what: ClassVar[str] = "noria tune needs the package optuna, which is not installed"
    next: ClassVar[str] = "pip install 'noria[tune]'"


@dataclass(eq=False)
class OtherStudy(Conflict):
    code: ClassVar[str] = "TUNE-STUDY"
    what: ClassVar[str] = (
        "study {study!r} was begun with {subject} {theirs}, not {ours}: its trials would not compare"
    )
    next: ClassVar[str] = "begin another: --study NAME"
    study: str
    subject: str
    theirs: str
    ours: str


@dataclass(frozen=True)
class Search:
    """What to look for."""

    space: Space
    metric: str
    direction: Direction | None = None
    """None: as a gate on the metric says."""
    trials: int = 20
    """In all, those of earlier calls included."""
    jobs: int = 1
    """Trials at once; the engine's cores are shared among them."""
    study: str = "study"
    """Its name: a second call goes on with it."""
    prune: str | None = None
    """A series that the steps log with `noria.log`, better in the same direction as the metric: a trial whose figures
    are worse than the median of the others' at the same step is given up."""
    fixed: Mapping[str, Mapping[str, Json]] | None = None
    """Parameters that all trials have."""
    seed: int = 0
    as_of: datetime | None = None


def open_study(app: App, model: str, search: Search) -> optuna.Study:
    """The study of that name, begun now or earlier. Raises `NeedsOptuna`, `OtherStudy`."""
    try:
        import optuna
    except ImportError as error:
        raise NeedsOptuna from error
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder = app.state / "studies"
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name=f"{model}/{search.study}",
        storage=JournalStorage(JournalFileBackend(str(folder / f"{model}.journal"))),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=WARM),
        direction=search.direction,
        load_if_exists=True,
    )
    _agree(study, search)
    # A sampler's first draws are its seed's: one that goes on would draw what was tried already.
    study.sampler = optuna.samplers.TPESampler(seed=(search.seed + len(study.trials)) % SEEDS)
    return study


def as_of(study: optuna.Study, now: datetime) -> datetime:
    """The same for all trials of a study: they are compared with one another."""
    kept = study.user_attrs.get("as_of")
    if kept is None:
        study.set_user_attr("as_of", now.isoformat())
        return now
    return datetime.fromisoformat(kept)


def revive(study: optuna.Study, space: Space) -> list[str]:
    """Let trials that a killed or interrupted search left under way be tried again, where the space still has their
    values; returns the names of their runs."""
    import optuna

    left = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.RUNNING]
    study.set_user_attr(AGAIN, sorted(_broken_off(study) | {trial.number for trial in left}))
    for trial in left:
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        if trial.params.keys() == space.keys() and all(_within(space[n], v) for n, v in trial.params.items()):
            study.enqueue_trial(trial.params)
    return [str(trial.user_attrs[RUN]) for trial in left if RUN in trial.user_attrs]


def done(study: optuna.Study) -> int:
    """How many trials came to an end of their own."""
    broken = _broken_off(study)
    return sum(trial.state.is_finished() and trial.number not in broken for trial in study.trials)


def draw(trial: optuna.Trial, space: Space) -> dict[str, Json]:
    """Values for one trial."""
    return {name: _drawn(trial, name, what) for name, what in space.items()}


def told(study: optuna.Study, model: str, search: Search, notes: tuple[str, ...] = ()) -> Tuned:
    """A study as a record."""
    broken = _broken_off(study)
    trials = tuple(trial_of(one, one.number in broken) for one in study.trials if one.state.name != "WAITING")
    assert search.direction is not None
    return Tuned(
        model=model,
        study=search.study,
        metric=search.metric,
        direction=search.direction,
        trials=trials,
        best=best_of(trials, search.direction),
        notes=notes,
    )


def best_of(trials: tuple[Trial, ...], direction: Direction) -> Trial | None:
    """The first of the best; None where no trial is complete."""
    complete = [one for one in trials if one.state == "complete" and one.value is not None]
    better = min if direction == "minimize" else max
    return better(complete, key=lambda one: one.value or 0.0) if complete else None


def trial_of(one: optuna.trial.FrozenTrial, broken: bool = False) -> Trial:
    states: dict[str, Literal["complete", "pruned", "failed"]] = {
        "COMPLETE": "complete",
        "PRUNED": "pruned",
        "FAIL": "failed",
    }
    return Trial(
        number=one.number,
        run=str(one.user_attrs.get(RUN, "")),
        state="interrupted" if broken else states.get(one.state.name, "running"),
        value=one.value if one.state.name == "COMPLETE" else None,
        parameters=dict(one.params),
        why=str(one.user_attrs.get(WHY, "")),
    )


def _agree(study: optuna.Study, search: Search) -> None:
    """Note what a study is of, or hold this call to it."""
    asked: dict[str, str | None] = {
        "metric": search.metric,
        "direction": search.direction,
        "settings": canonical(dict(search.fixed or {})).decode(),
        "as_of": search.as_of.isoformat() if search.as_of else None,
    }
    for subject, ours in asked.items():
        theirs = study.user_attrs.get(subject)
        if theirs is not None and ours is not None and theirs != ours:
            subject = subject.replace("as_of", "as of")
            raise OtherStudy(study=search.study, subject=subject, theirs=theirs, ours=ours)
    for name, what in search.space.items():
        _fit(study, search.study, name, what)
    for subject, ours in asked.items():
        if ours is not None and subject not in study.user_attrs:
            study.set_user_attr(subject, ours)


def _fit(study: optuna.Study, called: str, name: str, what: Range | Choice) -> None:
    """A range may change from call to call; its kind and a choice's values may not."""
    from optuna.distributions import check_distribution_compatibility

    ours = _distribution(what)
    for trial in study.trials:
        theirs = trial.distributions.get(name)
        if theirs is None:
            continue
        try:
            check_distribution_compatibility(theirs, ours)
        except ValueError as error:
            raise OtherStudy(study=called, subject=name, theirs=_words(theirs), ours=_words(ours)) from error


def _broken_off(study: optuna.Study) -> set[int]:
    return set(study.user_attrs.get(AGAIN, ()))


def _distribution(what: Range | Choice) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(what, Choice):
        return CategoricalDistribution(list(what.values))  # type: ignore[arg-type]  # any JSON value
    if what.whole:
        return IntDistribution(int(what.low), int(what.high), log=what.log)
    return FloatDistribution(what.low, what.high, log=what.log)


def _words(distribution: Any) -> str:
    """As it is written on the command line."""
    if hasattr(distribution, "choices"):
        return ",".join(map(str, distribution.choices))
    return f"{distribution.low}:{distribution.high}" + (":log" if distribution.log else "")


def _drawn(trial: optuna.Trial, name: str, what: Range | Choice) -> Json:
    if isinstance(what, Choice):
        drawn: Json = trial.suggest_categorical(name, list(what.values))  # type: ignore[arg-type]  # any JSON value
        return drawn
    if what.whole:
        return trial.suggest_int(name, int(what.low), int(what.high), log=what.log)
    return trial.suggest_float(name, what.low, what.high, log=what.log)


def _within(what: Range | Choice, value: Any) -> bool:
    return value in what.values if isinstance(what, Choice) else bool(what.low <= value <= what.high)

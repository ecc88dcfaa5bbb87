"""The change of a model's service from one version to another: what is wanted, how it stands, what it rests on."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from noria.records.base import Record

Strategy = Literal["shadow", "canary", "blue-green", "replace"]
Undecided = Literal["shadow", "end", "switch"]
Verdict = Literal["better", "not worse", "worse", "undecided"]
Result = Literal["promoted", "aborted", "undecided", "rolled back", "superseded"]

STRATEGIES: tuple[Strategy, ...] = ("shadow", "canary", "blue-green", "replace")
GOOD = ("better", "not worse")


class RolloutPolicy(Record, kw_only=True):
    """One `[model.x.rollout]` table. A metric whose limit is None is not judged."""

    strategy: Strategy = "canary"
    steps: tuple[float, ...] = (0.05, 0.25, 0.5)
    """Of a canary: the challenger's share of the units, step by step."""
    false_alarm: float = 0.05
    """The chance that any verdict of the whole rollout is wrong, split evenly over its metrics."""
    units: int = 100
    """First answers of units that the challenger has given in a step before the next begins."""
    ratio: float = 1.25
    """How much more often than the champion it may fail, or be slow, and still be "not worse" ..."""
    margin: float = 0.01
    """... or how many more of all units may meet that, as a difference of shares: where hardly any fails, no ratio shows."""
    latency_ms: float | None = None
    """An answer that takes longer is slow."""
    predictions: float | None = None
    """How far both distributions of answers may lie apart (Kolmogorov-Smirnov), 0 to 1."""
    quality: float | None = None
    """How much more loss a row may have, in the loss's own unit."""
    block: str = "1d"
    """The unit of evidence of the loss."""
    labels: Literal["later", "wait"] = "later"
    """`later`: it may be promoted before its labels came, and is judged again as they come; `wait`: not before."""
    bake: float = 0.0
    """Seconds that the last step lasts at least."""
    standby: float = 0.0
    """Of a blue-green: seconds after the switch in which the predecessor answers copies of all requests, and takes over again
    when what it replaced it is found to be worse."""
    patience: float | None = None
    """Seconds that a step may last without a verdict; then the champion answers everything again. None: for ever."""
    undecided: Undecided | None = None
    """`switch`, of a blue-green: it is promoted on enough copies in which nothing was worse, whatever they left open. Of a canary,
    what becomes of a step that was out of patience. `shadow`: it goes on with copies of all requests, as long at
    most, and is tried again after a verdict there; out of patience once more in the same step, or `end`: that was it. A project
    that does not say gets `shadow`. None, of a rollout from before this setting: it goes on as it was begun, a canary to its
    `end`, and a blue-green to its `switch`."""

    @property
    def switches(self) -> bool:
        """Whether it is promoted on copies that left something open."""
        return (self.undecided or ("switch" if self.strategy == "blue-green" else "end")) == "switch"


class Stretch(Record):
    """A time in which one table held at every worker."""

    step: int
    share: float
    """The challenger's part of the units; of a shadow 0, and of a canary that answered copies alone."""
    since: datetime
    until: datetime | None = None
    """None: it lasts."""


class Counted(Record):
    """What fell into one stretch, of the challenger and of the champion. A unit counts once in a rollout, where it first
    comes, first fails, or is first slow."""

    share: float
    units: tuple[int, int] = (0, 0)
    failed: tuple[int, int] = (0, 0)
    slow: tuple[int, int] = (0, 0)


class Firsts(Record):
    """The first answers of each version's units, each a trial of its own."""

    units: int = 0
    failed: int = 0
    slow: int = 0


class Quantile(Record):
    """Of the time that a version's first answers took, in ms. For display: nothing is decided by it."""

    level: float
    estimate: float
    lower: float | None
    """The band that holds the true one, of both versions and at every look, with probability 0.95; None: any."""
    upper: float | None


class Losses(Record):
    """Mean losses of both versions' labelled answers in blocks of event time."""

    differences: tuple[float, ...] = ()
    """The challenger's mean minus the champion's, of as many rows of each, in stretches of blocks in time order."""
    width: float = 1.0
    """Of the range of the loss."""
    spread: float = 0.0
    """Standard deviation that the units' own levels give to the mean of the differences, where units come again and stay with
    their version. Infinite: nothing tells it, for too few units came again."""
    freedom: float = 0.0
    """Degrees of freedom of that."""
    labelled: int = 0
    waiting: int = 0
    """Answers without a label: the debt."""
    unripe: bool = False
    """Whether labels may still come in time."""
    unjudgeable: str = ""
    """Why there are no losses, where there can be none."""


class Came(Record):
    """Units that came to either version, whatever the shares; of copies, to the challenger."""

    units: int = 0
    again: int = 0
    """Of these, who came more than once."""
    later: int = 0
    """Of these, whose first request was in the later half of all requests."""


class Observed(Record):
    """All that is known of a rollout at one look."""

    counted: tuple[Counted, ...] = ()
    """One a stretch."""
    here: tuple[int, int] = (0, 0)
    """Units that came in the step that holds: the challenger's, the champion's."""
    challenger: Firsts = Firsts()
    champion: Firsts = Firsts()
    answers: tuple[tuple[int, int], ...] = ()
    """First answers by bin or level, in order: the challenger's, the champion's."""
    losses: Losses = Losses()
    came: Came = Came()
    took: tuple[tuple[Quantile, ...], tuple[Quantile, ...]] = ((), ())
    """The challenger's quantiles and the champion's."""
    rate: float = 0.0
    """Units of the challenger a second, in the step that holds."""
    gone: str = ""
    """Why the challenger's workers are not there any more."""
    displaced: datetime | None = None
    """When the challenger was last asked, where the service goes by another table than the rollout's."""


class Standing(Record):
    """One metric's verdict, and what it rests on."""

    metric: str
    verdict: Verdict
    measure: str
    """What estimate and interval are of: `ratio`, `difference`, `distance`, `loss`."""
    estimate: float | None
    lower: float | None
    """None: none that the evidence refutes."""
    upper: float | None
    limit: float
    """From where on it is worse."""
    alpha: float
    """Its part of the error budget."""
    e_value: float | None
    units: tuple[int, int]
    """Of the challenger, of the champion; of a loss, differences."""
    events: tuple[int, int] = (0, 0)
    needed: int | None = None
    """More units of the challenger (differences, of a loss) to a verdict at the present rates; None: none, or out of sight."""
    scarce: bool = False
    """Whether it takes more units than are to be expected, as new ones become fewer: then no number is told."""
    apart: float | None = 0.0
    """Of a loss: what of the interval, on either side, is of which units came to which version. More units narrow it, more
    differences do not. None: all."""

    @property
    def lacks_units(self) -> bool:
        """Whether no number of differences decides, as things are, because too few units have come."""
        if self.verdict != "undecided" or self.apart == 0.0:
            return False
        return self.apart is None or self.estimate is None or abs(self.estimate - self.limit) <= self.apart


class Judged(Record):
    """What one look says of all metrics."""

    standings: tuple[Standing, ...] = ()
    split: float = 1.0
    """E-value against "units fall to both as the shares say"."""
    split_alpha: float = 0.05
    rate: float = 0.0
    here: int = 0
    """Units of the challenger in the step that holds."""
    wanted: int = 0
    """How many it takes."""
    labelled: int = 0
    waiting: int = 0
    took: tuple[tuple[Quantile, ...], tuple[Quantile, ...]] = ((), ())
    """As `Observed.took`."""
    came: Came = Came()

    @property
    def broken(self) -> bool:
        """Whether routing itself is."""
        return self.split >= 1.0 / self.split_alpha

    def of(self, metric: str) -> Standing | None:
        return next((one for one in self.standings if one.metric == metric), None)


class Rehearsal(Record):
    """The way back, tried before it is needed."""

    version: int
    """The predecessor."""
    whole: bool
    """Whether everything that it needs is still stored."""
    rows: int = 0
    """Logged rows that it answered again, in its own environment."""
    same: bool | None = None
    """Whether those answers are the logged ones; None where the log has none as they were asked."""
    seconds: float = 0.0
    problem: str = ""

    @property
    def passed(self) -> bool:
        return self.whole and not self.problem and self.same is not False


class Rehearsing(Record, tag="rehearsing"):
    """The way back is tried first."""


class Opening(Record, tag="opening"):
    """A step's table is to hold; it may do so already."""

    step: int
    copies: bool = False
    """Of a canary whose step was undecided: it answers copies alone."""


class Watching(Record, tag="watching"):
    """A step's table holds since some time, and evidence is gathered."""

    step: int
    copies: bool = False
    """As of `Opening`."""


class Standby(Record, tag="standby"):
    """After a blue-green's switch: the version is the champion, and its predecessor answers copies of all requests."""

    since: datetime
    """When the alias moved."""
    opened: bool = False
    """Whether the copies are sent."""


class Withdrawing(Record, tag="withdrawing"):
    """The champion is to answer everything, and nobody is to get copies; it may be so already. `promoted` and `superseded`
    after a switch: the champion is the version, or a third one."""

    result: Literal["aborted", "undecided", "promoted", "superseded"]
    why: str


class Owing(Record, tag="owing"):
    """The version is the champion, on what was known; labels may still convict it."""

    since: datetime


class Ended(Record, tag="ended"):
    result: Result
    why: str
    at: datetime


Phase = Rehearsing | Opening | Watching | Standby | Withdrawing | Owing | Ended


class Pause(Record):
    """Nothing goes forward. What is found worse is taken back all the same."""

    since: datetime
    by: str
    why: str


class Rollout(Record, kw_only=True):
    """One rollout after one of its changes; `revision` counts these."""

    model: str
    number: int
    version: int
    """The challenger."""
    champion: int
    """Whom it is to replace."""
    policy: RolloutPolicy
    started: datetime
    by: str
    revision: int = 1
    phase: Phase = Rehearsing()
    pause: Pause | None = None
    stretches: tuple[Stretch, ...] = ()
    rehearsal: Rehearsal | None = None
    judged: Judged | None = None
    """As it stood at this change."""

    @property
    def name(self) -> str:
        return f"{self.model}/r{self.number}"

    @property
    def open(self) -> bool:
        return not isinstance(self.phase, Ended)

    @property
    def steps(self) -> tuple[float, ...]:
        """The shares that it goes through; one of 0 for copies alone, none for a replacement."""
        policy = self.policy
        return policy.steps if policy.strategy == "canary" else () if policy.strategy == "replace" else (0.0,)

    @property
    def switched(self) -> bool:
        """Whether the version has become the champion by it, and it is under way still."""
        phase = self.phase
        after = isinstance(phase, Withdrawing) and phase.result in ("promoted", "superseded")
        return after or isinstance(phase, Owing | Standby)


class RolloutStarted(Record, tag="rollout.started"):
    rollout: Rollout
    why: str = ""
    """A person's reason, and which gates were passed over by force; nothing where it followed from a judgement."""


class RolloutMoved(Record, tag="rollout.moved"):
    """Compare-and-set: refused unless the rollout's last revision is the one before."""

    rollout: Rollout
    why: str
    by: str


class RolloutEnded(Record, tag="rollout.ended"):
    """Compare-and-set, as `RolloutMoved`."""

    rollout: Rollout
    why: str
    by: str


class RollbackDrilled(Record, tag="rollback.drilled"):
    """The way back was tried, by a person's wish."""

    model: str
    rehearsal: Rehearsal

"""How many more units are promised, where those that come are known by now."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from noria.records.base import canonical, parse
from noria.records.rollouts import Came, Counted, Firsts, Losses, Observed, RolloutPolicy, Standing
from noria.rollout.judge import judge
from noria.rollout.units import still_to_come
from noria.rollout.words import standing_words

POLICY = RolloutPolicy()
FEW = Observed(
    counted=(Counted(share=0.25, units=(100, 300)),),
    challenger=Firsts(units=100),
    champion=Firsts(units=300),
)
KNOWN, NEW = Came(units=400, again=396, later=3), Came(units=400, again=20, later=190)


def judged(came: Came, policy: RolloutPolicy = POLICY, **seen: object) -> Standing:
    return judge(policy, msgspec.structs.replace(FEW, came=came, **seen)).standings[-1]


def test_no_number_of_units_is_promised_to_a_service_that_has_not_as_many() -> None:
    told = judged(NEW)
    assert told.needed is not None and told.needed > 400
    held = judged(KNOWN)
    assert (held.verdict, held.needed, held.scarce) == ("undecided", None, True)
    assert standing_words(held).endswith(", needs more units than come")
    assert parse(canonical(held), Standing) == held
    assert msgspec.structs.replace(held, needed=told.needed, scarce=False) == told


@pytest.mark.parametrize(("apart", "scarce"), [(0.05, False), (0.5, True)])
def test_units_that_a_loss_lacks_are_held_against_those_that_come_as_well(apart: float, scarce: bool) -> None:
    policy = msgspec.structs.replace(POLICY, quality=0.1)
    losses = Losses(differences=(0.1, -0.1, 0.12, -0.11) * 3, spread=apart, freedom=50.0)
    early = Firsts(units=20)
    assert judged(NEW, policy, losses=losses, challenger=early).scarce is False
    found = judged(KNOWN, policy, losses=losses, challenger=early)
    assert (found.lacks_units, found.scarce) == (True, scarce)


def test_traffic_that_goes_on_brings_units_for_ever_and_few_customers_are_known_soon() -> None:
    """New ones by chance in half of a thousand streams; sixty who come in any order."""
    random = np.random.default_rng(1)
    later = random.binomial(400, 0.5, size=1_000).tolist()
    endless = [still_to_come(Came(units=400, later=one)) == math.inf for one in later]
    assert sum(endless) >= 995
    assert still_to_come(Came(units=60, later=0)) < 5
    assert still_to_come(Came()) == math.inf

"""What a look at a rollout says of labels that it did not look at itself."""

from __future__ import annotations

from noria.app.rollouts.look import with_losses
from noria.records.rollouts import Judged, Standing


def standing(metric: str, units: int, needed: int | None = None) -> Standing:
    return Standing(
        metric=metric,
        verdict="undecided",
        measure="loss",
        estimate=None,
        lower=None,
        upper=None,
        limit=0.1,
        alpha=0.01,
        e_value=None,
        units=(units, units),
        needed=needed,
    )


NOW = Judged(standings=(standing("quality", 0), standing("errors", 90)), here=90)


def test_what_the_driver_last_made_of_labels_is_shown() -> None:
    last = Judged(standings=(standing("errors", 50), standing("quality", 7, 3)), labelled=40, waiting=8)
    shown = with_losses(NOW, last)
    assert (shown.of("quality"), shown.of("errors")) == (standing("quality", 7, 3), standing("errors", 90))
    assert (shown.here, shown.labelled, shown.waiting) == (90, 40, 8)


def test_before_it_has_nothing_is_said_of_them() -> None:
    assert [one.metric for one in with_losses(NOW, None).standings] == ["errors"]

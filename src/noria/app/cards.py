"""A run's card: everything that is known of a run, gathered, and as one page that needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from noria.app.read import RunDetail, read_run
from noria.app.series import charts_of, read_series
from noria.errors import NotFound
from noria.records.base import Digest, parse
from noria.records.profiles import Profile
from noria.records.versions import Version
from noria.registry.references import CHAMPION

if TYPE_CHECKING:
    from noria.app.pages.lines import Chart
    from noria.app.wiring import App


@dataclass(frozen=True)
class Card:
    """What a card shows."""

    detail: RunDetail
    champion: Version | None
    """Whom the gates compared the run's version with; without gates, the champion of today."""
    charts: tuple[Chart, ...]
    profiles: dict[str, Profile]
    """By data step."""


def make_card(app: App, text: str) -> str:
    """The card of a run (`delay/3`, `delay/last`) as an HTML document. Raises `UnknownRun`, `BadReference`."""
    from noria.app.pages.card import card_page

    return card_page(gather_card(app, text), app.artifacts, made=app.clock.now())


def gather_card(app: App, text: str) -> Card:
    """All of it but the exhibits, which are read as they are drawn."""
    detail = read_run(app, text)
    return Card(
        detail=detail,
        champion=_champion(app, detail),
        charts=tuple(charts_of(read_series(app, detail.view.run, detail.steps))),
        profiles={
            step.step: profile
            for step in detail.steps
            if step.data and step.data.profile and (profile := _profile(app, step.data.profile))
        },
    )


def _champion(app: App, detail: RunDetail) -> Version | None:
    model = detail.view.run.asked.model
    if detail.judgement is not None:
        number = detail.judgement.champion
    else:
        number = app.records.versions.aliases(model).get(CHAMPION)
    own = detail.version.number if detail.version else None
    return app.records.versions.version(model, number) if number and number != own else None


def _profile(app: App, digest: Digest) -> Profile | None:
    """None for one that `noria gc` has removed."""
    try:
        return parse(app.store.get(digest), Profile)
    except NotFound:
        return None

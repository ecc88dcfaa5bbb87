"""The data canary: new data is looked at before any step reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from noria.errors import StepFailed
from noria.profiles import changes, found_alone, volume
from noria.records.base import Digest, parse
from noria.records.profiles import Finding, Profile
from noria.records.runs import DataVersion, StepResult
from noria.registry.references import CHAMPION

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.declare import Resolved
    from noria.records.policy import ModelPolicy


@dataclass(eq=False)
class BadData(StepFailed):
    code: ClassVar[str] = "DATA-REFUSED"
    what: ClassVar[str] = "the data of {step} is not as it was{beside}: {said}"
    next: ClassVar[str] = (
        "mend the source; or, when the change is right, `noria run --accept-data` for this once, or other limits in "
        "[model.{model}.data] of noria.toml"
    )
    model: str
    step: str
    beside: str
    data: Digest
    findings: Sequence[Finding]

    def facts(self) -> dict[str, object]:
        return {**super().facts(), "said": [one.what for one in self.findings]}


def inspector(
    app: App, policy: ModelPolicy, resolved: Resolved, warn: Callable[[str, str], None], *, accept: bool
) -> Callable[[StepResult], None]:
    """What `drive` asks of each data step's result: raises `BadData` where the canary refuses it, and tells `warn`
    (step, sentence) of all else that it found. Compared is with the data of the champion, or of the newest version."""

    def inspect(result: StepResult) -> None:
        request = resolved.request.name if resolved.request else None
        if policy.data.canary == "off" or result.data is None or result.step != request:
            return
        before, name = _reference(app, policy.name)
        findings = _findings(app, policy, resolved, result.data, before)
        refused = [one for one in findings if one.severity == "refuse"]
        if refused and policy.data.canary == "refuse" and not accept:
            beside = f" in {name}" if name else ""
            raise BadData(policy.name, result.step, beside, result.data.digest, refused)
        for one in findings:
            warn(result.step, one.what)

    return inspect


def _reference(app: App, model: str) -> tuple[DataVersion | None, str]:
    number = app.records.versions.aliases(model).get(CHAMPION)
    version = app.records.versions.version(model, number) if number else None
    if version is None:
        versions = app.records.versions.versions(model)
        version = versions[0] if versions else None
    return (version.data, version.name) if version else (None, "")


def _findings(
    app: App, policy: ModelPolicy, resolved: Resolved, now: DataVersion, before: DataVersion | None
) -> list[Finding]:
    profile = _profile(app, now)
    if profile is None:
        return []
    found = list(found_alone(profile, policy.data))
    earlier = _profile(app, before) if before else None
    if before is not None and earlier is not None and before.digest != now.digest:
        spec = resolved.data
        # A label that moves is what training again is for; keys and times move by their nature.
        moving = {*spec.key, *filter(None, [spec.time]), *spec.hidden}
        found += [*changes(profile, earlier, policy.data, moving=moving), *volume(now, before, policy.data)]
    return found


def _profile(app: App, data: DataVersion) -> Profile | None:
    if data.profile is None or not app.store.has(data.profile):
        return None
    return parse(app.store.get(data.profile), Profile)

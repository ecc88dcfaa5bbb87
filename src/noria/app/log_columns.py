"""The columns that `[service.log]` hides: each must be one, or a slip would let it be logged in the open."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from noria.errors import ConfigError

if TYPE_CHECKING:
    from noria.app.wiring import App


@dataclass(eq=False)
class UnknownColumn(ConfigError):
    code: ClassVar[str] = "LOG-COLUMN-UNKNOWN"
    what: ClassVar[str] = (
        "[service.log] {setting} names {column}, and no version of any model takes such a column"
    )
    next: ClassVar[str] = "{fix}"
    setting: str
    column: str
    fix: str


def require_columns(app: App) -> None:
    """Raises `UnknownColumn`."""
    policy = app.policy.service.log
    if not (policy.redact or policy.hash):
        return
    versions = (
        one for model in app.records.versions.models() for one in app.records.versions.versions(model)
    )
    known = {column.name for version in versions for column in version.signature.request}
    for setting in ("redact", "hash"):
        for column in getattr(policy, setting):
            if column not in known:
                near = difflib.get_close_matches(column, known, n=1)
                fix = f"did you mean {near[0]}?" if near else "take it out of noria.toml, or correct it"
                raise UnknownColumn(setting=setting, column=column, fix=fix)

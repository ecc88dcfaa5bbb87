"""An estimator as skops takes it apart: its schema and its files, before they are made into an archive.

`skops.io.dumps` indents the schema, which the standard library does in Python, and its archive would be opened again
at once to be put into our form: a third of what storing a model takes. What does the work in it has no public name, so
where a release has moved it, the archive is written and opened after all: the same parts, later.
"""

from __future__ import annotations

import json
from typing import Any

from noria.artifacts.archives import Node, unpacked


class _Members(dict[str, bytes]):
    """Files by name, written to as to a `ZipFile`."""

    def writestr(self, name: str, data: Any) -> None:
        self[name] = bytes(data)

    def namelist(self) -> _Members:
        return self


def parts_of(value: object) -> tuple[Node, dict[str, bytes]]:
    """An estimator's schema and files. Raises what `skops.io.dumps` raises for what it has no form for."""
    from skops import io

    try:
        from skops.io._utils import SaveContext, get_state
    except ImportError:
        return unpacked(io.dumps(value))
    members = _Members()
    context = SaveContext(zip_file=members)
    state = get_state(value, context)
    state["protocol"] = context.protocol
    schema: Node = json.loads(json.dumps(state))
    context.clear_memo()  # until here: two objects at one address, one after the other, would be taken for one
    return schema, members

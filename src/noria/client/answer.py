"""`python -m noria.client.answer PROJECT VERSION FOLDER`: answers `asked.arrow` in the folder with a version's own code.

The code is laid out in that folder, too, so that the project stays untouched.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from noria.app.promote import find_version
from noria.app.wiring import App, open_reading
from noria.client.predict import Refused
from noria.errors import NoriaError
from noria.inside.context import holding


def main(project: str, version: str, folder: str) -> int:
    scratch = Path(folder)
    try:
        with open_reading(Path(project)) as app, holding(app.store):
            _answer(app, version, scratch)
    except BaseException as error:  # the version's code may raise anything, SystemExit among it
        (scratch / "refused.json").write_bytes(msgspec.json.encode(_refused(error, scratch)))
        return 1
    return 0


def _answer(app: App, text: str, scratch: Path) -> None:
    import pyarrow.feather as feather

    from noria.artifacts.trees import materialise
    from noria.declare import resolve
    from noria.graph.load import load_pipeline
    from noria.graph.open import open_graph
    from noria.graph.rows import require, visible

    version = find_version(app, text)
    root = materialise(version.code, app.store, scratch / "code")
    resolved = resolve(load_pipeline(root, version.graph.pipeline))
    rows = visible(feather.read_table(str(scratch / "asked.arrow")), resolved.data)
    names = tuple(column.name for column in version.signature.request)
    require(rows, names, where="what predict was given", why="is part of the version's request")
    table = open_graph(version.graph, resolved, app.artifacts).answer(rows.select(list(names)))
    feather.write_feather(table, str(scratch / "answered.arrow"), compression="uncompressed")


def _refused(error: BaseException, scratch: Path) -> Refused:
    from noria.graph.load import user_traceback

    if isinstance(error, NoriaError):
        return Refused(why=str(error), fix=error.advice())
    code = next((scratch / "code").iterdir(), scratch)
    told = user_traceback(error, code).replace(f"{code}/", "")  # the paths that the user knows
    return Refused(why=told, fix="see whether the rows are of the kind that it was trained on")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

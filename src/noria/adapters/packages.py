"""What is installed in a folder of packages, file by file; and Noria itself put into one."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path, PurePosixPath

from noria.records.base import digest_bytes
from noria.records.environments import Difference, Installed, normal

NORIA = "noria"
ROOT = Path(__file__).resolve().parents[2]
"""Where the package of the Noria that runs lies."""
KEPT = ("METADATA", "WHEEL", "entry_points.txt", "direct_url.json")
LINK = "noria.pth"


def packages_in(site: Path) -> Iterator[Installed]:
    """The packages of one folder, by what stands in their metadata."""
    for one in metadata.distributions(path=[str(site)]):
        listed = (one.read_text("RECORD") or "").encode()
        yield Installed(name=normal(one.metadata["Name"]), version=one.version, files=digest_bytes(listed))


def changed(site: Path) -> Iterator[Difference]:
    """Packages of which a file is not what its list of files says: the first such file of each. Bytecode, which no list
    has a hash of, is left out."""
    for one in metadata.distributions(path=[str(site)]):
        for row in csv.reader((one.read_text("RECORD") or "").splitlines()):
            if len(row) > 1 and row[1] and not _is(site / row[0], row[1]):
                name = normal(one.metadata["Name"])
                yield Difference(name=name, kind="files", wanted=one.version, found=row[0])
                break


def place_noria(site: Path) -> None:
    """The Noria that runs, into another environment: its files, or of one that is being worked on a link to them."""
    here = metadata.distribution(NORIA)
    about = site / f"noria-{here.version}.dist-info"
    about.mkdir()
    for name in KEPT:
        if (text := here.read_text(name)) is not None:
            (about / name).write_text(text)
    (about / "INSTALLER").write_text("noria\n")
    if json.loads(here.read_text("direct_url.json") or "{}").get("dir_info", {}).get("editable"):
        (site / LINK).write_text(f"{ROOT}\n")
        placed = [LINK]
    else:
        placed = list(_copied(here, site))
    listed = [*placed, *(f"{about.name}/{one.name}" for one in sorted(about.iterdir()))]
    rows = [
        f"{path},{_hash((site / path).read_bytes(), 'sha256')},{(site / path).stat().st_size}"
        for path in listed
    ]
    (about / "RECORD").write_text("\n".join([*rows, f"{about.name}/RECORD,,", ""]))


def _copied(here: metadata.Distribution, site: Path) -> Iterator[str]:
    for file in here.files or []:
        if PurePosixPath(file).parts[0] == NORIA and file.suffix != ".pyc":
            to = site / file
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(str(here.locate_file(file))), to)
            yield str(file)


def _is(path: Path, wanted: str) -> bool:
    kind = wanted.partition("=")[0]
    try:
        return _hash(path.read_bytes(), kind) == wanted
    except FileNotFoundError:
        return False


def _hash(data: bytes, kind: str) -> str:
    """As a list of files writes it."""
    return f"{kind}={base64.urlsafe_b64encode(hashlib.new(kind, data).digest()).decode().rstrip('=')}"

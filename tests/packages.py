"""Tiny packages of our own, and a package index on loopback that serves them: so that no test needs a network."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

EPOCH = (2020, 1, 1, 0, 0, 0)  # of each file in a wheel: the same package has the same digest every time


@dataclass(frozen=True)
class Index:
    """A simple index (PEP 503) of the wheels that were put into it."""

    folder: Path
    url: str

    def add(
        self,
        name: str,
        version: str,
        text: str = "",
        *,
        requires: tuple[str, ...] = (),
        tag: str = "py3-none-any",
        module: str = "",
    ) -> Path:
        """A wheel with one module; `text` stands in it. Links of the project are written anew."""
        module = module or name.replace("-", "_")
        place = self.folder / "simple" / name
        place.mkdir(parents=True, exist_ok=True)
        made = wheel(place, name, version, {f"{module}.py": text}, requires=requires, tag=tag)
        self.link(name)
        return made

    def link(self, name: str) -> None:
        """Write the page of a project anew, from the wheels that are there."""
        place = self.folder / "simple" / name
        links = [
            f'<a href="{one.name}#sha256={hashlib.sha256(one.read_bytes()).hexdigest()}">{one.name}</a>'
            for one in sorted(place.glob("*.whl"))
        ]
        (place / "index.html").write_text("\n".join(links))


@contextmanager
def index(folder: Path) -> Iterator[Index]:
    """An index on a free port of loopback, until the block ends."""
    (folder / "simple").mkdir(parents=True)
    handler = partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Index(folder, f"http://127.0.0.1:{server.server_port}/simple/")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def wheel(
    folder: Path,
    name: str,
    version: str,
    files: dict[str, str],
    *,
    requires: tuple[str, ...] = (),
    tag: str = "py3-none-any",
) -> Path:
    """A wheel as any tool would make it, by hand."""
    stem = f"{name.replace('-', '_')}-{version}"
    about = f"{stem}.dist-info"
    wants = "".join(f"Requires-Dist: {one}\n" for one in requires)
    inside = {
        **files,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{wants}",
        f"{about}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(f"{path},sha256={_hash(text)},{len(text.encode())}\n" for path, text in inside.items())
    inside[f"{about}/RECORD"] = f"{record}{about}/RECORD,,\n"
    made = folder / f"{stem}-{tag}.whl"
    with zipfile.ZipFile(made, "w") as archive:
        for path, text in inside.items():
            archive.writestr(zipfile.ZipInfo(path, EPOCH), text)
    return made


def _hash(text: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """The test's output is for the test."""

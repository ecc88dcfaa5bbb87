"""The file of a routing table has one owner at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from noria.records.routing import Challenger, Routing
from noria.serving.kept import claimed

OTHER = """
import sys
from pathlib import Path
from noria.serving.kept import claimed
print(claimed(Path(sys.argv[1]), "delay@champion", int(sys.argv[2])).path)
"""


def elsewhere(folder: Path, port: int) -> str:
    """What another process gets."""
    command = [sys.executable, "-c", OTHER, str(folder), str(port)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_what_was_kept_is_read_by_whoever_comes_after(tmp_path: Path) -> None:
    table = Routing(model="delay", champion=1, challengers=(Challenger(version=2, share=0.1, start=0.0),))
    kept = claimed(tmp_path / "routing", "delay@champion", 8117)
    assert kept.read() is None
    kept.write(table)
    assert kept.read() == table
    assert [path.name for path in (tmp_path / "routing").glob("*.json")] == ["delay@champion-8117.json"]


def test_nobody_else_gets_a_file_while_its_owner_lives(tmp_path: Path) -> None:
    for port, name in ((8117, "delay@champion-8117.json"), (0, "delay@champion.json")):
        assert elsewhere(tmp_path, port).endswith(name)  # that process has ended
        claimed(tmp_path, "delay@champion", port)
        assert elsewhere(tmp_path, port) == "None"
    assert elsewhere(tmp_path, 8118).endswith("delay@champion-8118.json")


def test_who_owns_no_file_keeps_nothing(tmp_path: Path) -> None:
    claimed(tmp_path, "delay@champion", 0)
    other = claimed(tmp_path, "delay@champion", 0)
    other.write(Routing(model="delay", champion=1))
    assert other.path is None
    assert other.read() is None
    assert list(tmp_path.glob("*.json")) == []

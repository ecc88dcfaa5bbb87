"""All benches, one after another; with `--write` their tables go into a page.

    python bench/everything.py [--peers] [--write docs/benchmarks.md] [--only NAME ...]

`make bench` measures Noria, `make bench-peers` Noria beside the peers, and writes the page. Ends with 1 when a limit is
broken.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import table

HERE = Path(__file__).parent
RESULTS = HERE / "results"
BEGIN, END = "<!-- measured -->", "<!-- end of what was measured -->"


@dataclass(frozen=True)
class Bench:
    title: str
    peers: bool = False


BENCHES = {
    "noop_steps": Bench("Twenty steps in a line", peers=True),
    "fan_out": Bench("A step for each of 200 items", peers=True),
    "log_points": Bench("Figures logged from inside a step", peers=True),
    "register_model": Bench("Registering a model", peers=True),
    "table_handover": Bench("A large value from one step to another"),
    "many_runs": Bench("Looking around among 10,000 runs"),
    "startup": Bench("Beginning"),
    "batch_predict": Bench("Many rows out of files"),
    "fast_models": Bench("Compiled models beside their libraries"),
    "rollback": Bench("The way back"),
    "drift": Bench("Watching for drift", peers=True),
    "serving": Bench("A trained model behind HTTP", peers=True),
    "serving_flights": Bench("The flights example behind HTTP"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peers", action="store_true", help="beside the peers: see peers.py")
    parser.add_argument("--repeat", metavar="N", help="rounds (default: each bench's own)")
    parser.add_argument("--peer-rounds", metavar="N", help="rounds of slow peers (default: each bench's own)")
    parser.add_argument(
        "--write", type=Path, metavar="PAGE", help="put the tables between the marks of this page"
    )
    parser.add_argument("--only", nargs="+", choices=list(BENCHES), default=list(BENCHES))
    asked = parser.parse_args()
    broken = [name for name in asked.only if run(name, asked) != 0]
    if asked.write:
        write(asked.write, asked.only)
    print(f"a limit is broken in: {', '.join(broken)}" if broken else "every limit holds", file=sys.stderr)
    return 1 if broken else 0


def run(name: str, asked: argparse.Namespace) -> int:
    """A bench in a process of its own; its table is on stderr."""
    words = ["--json", str(RESULTS / f"{name}.json")]
    words += ["--repeat", asked.repeat] if asked.repeat else []
    if asked.peers and BENCHES[name].peers:
        words += ["--peers", *(["--peer-rounds", asked.peer_rounds] if asked.peer_rounds else [])]
    print(f"\n{BENCHES[name].title}: {HERE.name}/{name}.py", file=sys.stderr, flush=True)
    return subprocess.run(
        [sys.executable, HERE / f"{name}.py", *words], stdout=subprocess.DEVNULL, check=False
    ).returncode


def write(page: Path, names: Sequence[str]) -> None:
    results = {
        name: json.loads(path.read_text()) for name in names if (path := RESULTS / f"{name}.json").exists()
    }
    text = page.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text("\n\n".join([f"{head}{BEGIN}", *sections(results), f"{END}{tail}"]))


def sections(results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What the page says of each bench, below where and when it was."""
    machines = [result["machine"] for result in results.values()]
    one = machines[0]
    loads = sorted(machine["load"] for machine in machines)
    where = (
        f"{one['cpu']}, {one['cores']} cores, {one['memory_gb']} GB, {one['system']}, Python {one['python']}; "
        f"{one['at']} to {machines[-1]['at']}. Load {loads[0]} to {loads[-1]}, the bench's own among it: above the "
        "number of cores, the clock tells of the others too, and the ratios and CPU seconds are what counts."
    )
    return [where, *(section(name, result) for name, result in results.items())]


def section(name: str, result: Mapping[str, Any]) -> str:
    lines = [f"### {BENCHES[name].title}", "", f"`bench/{name}.py`", *result["notes"], "", *table(result)]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())

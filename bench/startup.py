"""What it costs to begin: `noria --help` and `import noria` in fresh processes, beside a bare Python.

    python bench/startup.py [--repeat 15]

Ends with 1 when a limit is broken.
"""

from __future__ import annotations

import sys
from pathlib import Path

from measuring import NORIA, Figure, compiled, options, report, took

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import noria": ["-c", "import noria"],
    "noria --help": ["-m", "noria", "--help"],
}
LIMITS = {"import noria": 100.0, "noria --help": 150.0}  # ms


def main() -> int:
    asked = options(__doc__, repeat=15).parse_args()
    compiled()
    figures = [Figure(name, "ms", limit=LIMITS.get(name)) for name in COMMANDS]
    for _ in range(asked.repeat):
        for figure in figures:
            figure.add(NORIA, milliseconds(figure.name))
    return report("startup", figures, asked)


def milliseconds(name: str) -> float:
    return 1e3 * took([sys.executable, *COMMANDS[name]], Path.cwd()).wall


if __name__ == "__main__":
    sys.exit(main())

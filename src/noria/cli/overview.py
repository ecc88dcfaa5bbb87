"""What `noria` alone says: the wheel in a dozen lines, and where to begin."""

from __future__ import annotations

from pathlib import Path

from noria.cli.commands import COMMANDS
from noria.cli.render import paint

TITLES = {
    "start": "Begin",
    "train": "Train, and see what happened",
    "decide": "Decide what is served",
    "production": "Serve, and keep it fresh",
}


def overview() -> str:
    """The commands by what one does with them."""
    wide = max(map(len, COMMANDS))
    lines = ["Noria keeps a model in production fresh with the very stream that it answers."]
    for group, title in TITLES.items():
        lines += ["", paint(title, "bold")]
        lines += [
            f"  noria {name:<{wide}}  {line}" for name, (_, line, where) in COMMANDS.items() if where == group
        ]
    return "\n".join([*lines, "", _begin(), "`noria COMMAND --help` explains a command, with examples."])


def _begin() -> str:
    here = Path.cwd()
    if any((folder / "noria.toml").is_file() for folder in (here, *here.parents)):
        return "This is a Noria project: `noria run` turns the wheel once, `noria status` says how it stands."
    return "No noria.toml here: `noria init flights` makes a project that runs."

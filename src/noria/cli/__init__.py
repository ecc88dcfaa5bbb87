"""The command line: parse, call one function of app, render.

In come words; out go results on stdout, progress and errors on stderr, and an exit code.
It refuses to know stores and stages, and imports a command's module only when that command is asked for.
"""

from noria.cli.start import command, main

__all__ = ["command", "main"]

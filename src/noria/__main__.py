"""The process `noria`."""

import signal
from typing import NoReturn


def main() -> NoReturn:
    """One command line, and its exit code. Until its code is imported there is nothing to put in order: Ctrl-C ends the
    process at once, as the kernel would, without a traceback."""
    waits_for_python = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if waits_for_python:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from noria.cli import command

    if waits_for_python:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command()


if __name__ == "__main__":
    main()

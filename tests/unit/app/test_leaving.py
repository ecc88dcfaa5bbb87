"""A process that leaves early leaves nothing undone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAD = "import atexit, sys, tempfile, threading, weakref\nfrom noria.app.leaving import leave\n"


def ended(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", HEAD + code], capture_output=True, text=True)


@pytest.mark.parametrize("code", [0, 3])
def test_it_has_its_exit_code_and_all_that_was_said(code: int) -> None:
    done = ended(f"sys.stdout.write('on stdout'); sys.stderr.write('on stderr'); leave({code})")
    assert (done.returncode, done.stdout, done.stderr) == (code, "on stdout", "on stderr")


def test_what_only_c_holds_is_said_too() -> None:
    done = ended("import ctypes; ctypes.CDLL(None).printf(b'from C'); leave()")
    assert done.stdout == "from C"


def test_exit_handlers_run_and_temporary_folders_go(tmp_path: Path) -> None:
    code = f"kept = tempfile.TemporaryDirectory(dir={str(tmp_path)!r}); atexit.register(print, 'handled'); leave()"
    assert ended(code).stdout == "handled\n"
    assert list(tmp_path.iterdir()) == []


def test_a_handler_that_fails_keeps_nobody() -> None:
    done = ended("atexit.register(lambda: 1 / 0); print('said'); leave(4)")
    assert (done.returncode, done.stdout) == (4, "said\n")


def test_a_thread_at_work_is_waited_for() -> None:
    code = (
        "go = threading.Event()\nthread = threading.Thread(target=lambda: (go.wait(), print('finished')))\n"
    )
    code += "thread.start(); threading.Timer(0.05, go.set).start(); leave(5)"
    done = ended(code)
    assert (done.returncode, done.stdout) == (5, "finished\n")

"""Version control through the git command."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from noria.errors import ConfigError
from noria.ports.source import Checkout

STATUS = (
    "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--no-renames",
    "--ignore-submodules=dirty",  # a submodule's own changes are found by a look into it
    "--", ".", ":(exclude,literal).noria",  # thousands of objects, when a project forgot to ignore its store
)  # fmt: skip
INDEX = ("ls-files", "--stage", "-z", "--", ".")
PREFIX = ("rev-parse", "--show-prefix")
DIFF = (
    # each option undoes a setting that a user may have: the bytes are a record
    "diff", "--binary", "--full-index", "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv",
    "--no-relative", "--ignore-submodules=dirty", "--submodule=short", "--unified=3", "--diff-algorithm=myers",
)  # fmt: skip

SUBMODULE = b"160000"
ELSEWHERE = (  # set by git around its hooks: they would point away from the folder that was asked for
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS", "GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS",
)  # fmt: skip
UNMERGED_FIELDS = 10  # before the path in `u` lines of porcelain v2
CHANGED_FIELDS = 8  # and in its `1` lines


class Git:
    """The repository around a folder, read by a few processes at a time."""

    def __init__(self, command: str = "git") -> None:
        self._command = command

    def look(self, folder: Path) -> Checkout:
        status, index, prefix = self._run(folder, STATUS, INDEX, PREFIX)
        inside = prefix.removesuffix(b"\n")
        seen = _Status(status, inside)
        if seen.commit is None:
            raise NoCommit(folder=str(folder))
        tracked, modules = _index(index)
        return Checkout(
            commit=seen.commit,
            branch=seen.branch,
            folder=os.fsdecode(inside.rstrip(b"/")) or ".",
            tracked=tracked,
            modules=modules,
            changed=tuple(seen.changed),
            deleted=tuple(seen.deleted),
            untracked=tuple(seen.untracked),
            strangers=tuple(seen.strangers),
        )

    def diff(self, folder: Path, *, leaving_out: Sequence[str] = (), inside: str = "") -> bytes:
        before = f"{inside.rstrip('/')}/" if inside else ""
        prefixes = (f"--src-prefix=a/{before}", f"--dst-prefix=b/{before}")
        without = (f":(exclude,literal){path}" for path in leaving_out)
        return self._run(folder, (*DIFF, *prefixes, "HEAD", "--", ".", *without))[0]

    def _run(self, folder: Path, *commands: Sequence[str]) -> list[bytes]:
        """What each command prints; all of them run at once."""
        started = [(command, self._start(folder, command)) for command in commands]
        finished = [(command, process, *process.communicate()) for command, process in started]
        for command, process, _, complaint in finished:
            if process.returncode:
                raise _refusal(folder, command[0], process.returncode, os.fsdecode(complaint).strip())
        return [output for _, _, output, _ in finished]

    def _start(self, folder: Path, command: Sequence[str]) -> subprocess.Popen[bytes]:
        line = [self._command, "-C", str(folder), "-c", "core.fsmonitor=false", *command]
        try:
            return subprocess.Popen(
                line,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except FileNotFoundError as error:
            raise GitMissing(command=self._command) from error


class _Status:
    """`git status --porcelain=v2 --branch -z`, taken apart."""

    def __init__(self, output: bytes, inside: bytes) -> None:
        self.commit: str | None = None
        self.branch: str | None = None
        self.changed: list[str] = []
        self.deleted: list[str] = []
        self.untracked: list[str] = []
        self.strangers: list[str] = []
        self._inside = inside
        for line in _lines(output):
            self._take(line)

    def _take(self, line: bytes) -> None:
        kind, _, rest = line.partition(b" ")
        if kind == b"#":
            self._take_header(rest)
        elif kind == b"?" and rest.endswith(b"/"):
            self.strangers.append(self._path(rest))
        elif kind == b"?":
            self.untracked.append(self._path(rest))
        elif kind in (b"1", b"u"):
            fields = CHANGED_FIELDS if kind == b"1" else UNMERGED_FIELDS
            path = self._path(line.split(b" ", fields)[fields])
            self.changed.append(path)
            if rest[1:2] == b"D":  # the second letter is the working tree's; the first, the index's
                self.deleted.append(path)

    def _take_header(self, header: bytes) -> None:
        name, _, value = header.partition(b" ")
        if name == b"branch.oid" and value != b"(initial)":
            self.commit = value.decode()
        if name == b"branch.head" and value != b"(detached)":
            self.branch = os.fsdecode(value)

    def _path(self, path: bytes) -> str:
        return os.fsdecode(path.removeprefix(self._inside))


def _index(output: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tracked files and submodules out of `git ls-files --stage -z`: `mode object stage<TAB>path`."""
    files: dict[str, None] = {}  # an unmerged file stands there once a side
    modules: dict[str, None] = {}
    for line in _lines(output):
        facts, _, path = line.partition(b"\t")
        (modules if facts.startswith(SUBMODULE) else files)[os.fsdecode(path)] = None
    return tuple(files), tuple(modules)


def _lines(output: bytes) -> Iterator[bytes]:
    return (line for line in output.split(b"\0") if line)


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    # no index.lock: a commit that is made meanwhile must not fail because of us
    return kept | {"LC_ALL": "C", "LANGUAGE": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}


def _refusal(folder: Path, command: str, status: int, complaint: str) -> ConfigError:
    """Git says in words alone why it failed; LC_ALL keeps them the same everywhere."""
    if "not a git repository" in complaint or "must be run in a work tree" in complaint:
        return NotARepository(folder=str(folder))
    return GitFailed(command=command, folder=str(folder), ended=status, complaint=complaint)


@dataclass(eq=False)
class GitMissing(ConfigError):
    command: str
    code: ClassVar[str] = "GIT-MISSING"
    what: ClassVar[str] = "there is no command `{command}` here, and a run is pinned to a git commit"
    next: ClassVar[str] = "install git: `apt-get install git`, `dnf install git` or `brew install git`"


@dataclass(eq=False)
class NotARepository(ConfigError):
    folder: str
    code: ClassVar[str] = "GIT-NO-REPOSITORY"
    what: ClassVar[str] = "{folder} is in no git working tree, and a run is pinned to a git commit"
    next: ClassVar[str] = "cd '{folder}' && git init && git add -A && git commit -m 'Start'"


@dataclass(eq=False)
class NoCommit(ConfigError):
    folder: str
    code: ClassVar[str] = "GIT-NO-COMMIT"
    what: ClassVar[str] = "the git repository of {folder} has no commit yet, and a run is pinned to one"
    next: ClassVar[str] = "cd '{folder}' && git add -A && git commit -m 'Start'"


@dataclass(eq=False)
class GitFailed(ConfigError):
    command: str
    folder: str
    ended: int
    complaint: str
    code: ClassVar[str] = "GIT-FAILED"
    what: ClassVar[str] = "`git {command}` in {folder} ended with status {ended}:\n{complaint}"
    next: ClassVar[str] = "do what git says, then try `git -C '{folder}' {command}` again"

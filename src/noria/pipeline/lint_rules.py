"""What makes a result another one next time, as rules about the names of libraries that code uses."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

READERS = frozenset(
    {
        "csv",
        "parquet",
        "json",
        "ndjson",
        "ipc",
        "excel",
        "database",
        "sql",
        "feather",
        "delta",
        "avro",
        "table",
    }
)

Severity = Literal["breaks", "risks"]


@dataclass(frozen=True)
class Use:
    """A name of a library that is used: called with what, or only read."""

    name: str
    """Dotted, as the library says it: `numpy.random.default_rng`."""
    node: ast.expr
    call: ast.Call | None
    inside: tuple[ast.AST, ...]
    """The nodes around it, the nearest last."""

    @property
    def bare(self) -> bool:
        """Called without arguments, or with None."""
        if self.call is None or self.call.keywords:
            return False
        given = self.call.args
        return not given or (
            len(given) == 1 and isinstance(given[0], ast.Constant) and given[0].value is None
        )


@dataclass(frozen=True)
class Rule:
    """When a use is a fault. `holds` gets the use and the step's role."""

    name: str
    severity: Severity
    holds: Callable[[Use, str], bool]
    what: str
    next: str


def _one_of(*names: str) -> Callable[[Use, str], bool]:
    return lambda use, role: use.name in names


def _beneath(*packages: str) -> Callable[[Use, str], bool]:
    return lambda use, role: (
        role != "data" and use.name.partition(".")[0] in packages and use.call is not None
    )


def _unseeded(use: Use, role: str) -> bool:
    return use.name in UNSEEDED and use.bare


def _every_core(use: Use, role: str) -> bool:
    given = {keyword.arg: keyword.value for keyword in use.call.keywords} if use.call else {}
    return any(
        isinstance(value, ast.UnaryOp)
        and isinstance(value.operand, ast.Constant)
        and value.operand.value == 1
        for name, value in given.items()
        if name in ("n_jobs", "num_threads", "nthread")
    )


def _unsorted(use: Use, role: str) -> bool:
    around = use.inside[-1] if use.inside else None
    ordered = (
        isinstance(around, ast.Call) and isinstance(around.func, ast.Name) and around.func.id == "sorted"
    )
    return use.call is not None and use.name in UNSORTED and not ordered


def _reads(use: Use) -> bool:
    package, _, function = use.name.partition(".")
    verb, _, form = function.partition("_")
    if package in ("polars", "pandas"):
        return verb in ("read", "scan") and form in READERS
    return use.name in ("open", "numpy.load", "numpy.loadtxt", "joblib.load")


def _reads_in_step(use: Use, role: str) -> bool:
    return use.call is not None and role != "data" and _reads(use)


def _reads_unseen(use: Use, role: str) -> bool:
    return use.call is not None and role == "data" and _reads(use) and not _mentions_files(use)


def _mentions_files(use: Use) -> bool:
    """Whether what is read is said by a variable or by noria.files itself: only a literal path is certainly unseen."""
    first = use.call.args[0] if use.call and use.call.args else None
    return not isinstance(first, ast.Constant | ast.JoinedStr)


CLOCKS = (
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"),
    *("time.time", "time.time_ns", "time.ctime", "pandas.Timestamp.now", "pandas.Timestamp.today"),
)
STOPWATCHES = tuple(
    f"time.{name}{unit}"
    for name in ("monotonic", "perf_counter", "process_time", "thread_time", "clock_gettime")
    for unit in ("", "_ns")
)
PROCESS = ("os.getpid", "os.getppid", "threading.get_ident", "threading.get_native_id")
MACHINE = (
    *("socket.gethostname", "socket.getfqdn", "platform.node", "platform.uname", "os.uname", "uuid.getnode"),
    *("os.getlogin", "getpass.getuser"),
)
UNSEEDED = frozenset(
    {
        *("numpy.random.default_rng", "numpy.random.RandomState", "numpy.random.SeedSequence"),
        *("numpy.random.PCG64", "numpy.random.seed", "random.Random", "random.seed", "torch.Generator"),
    }
)
CHANCE = ("os.urandom", "os.getrandom", "uuid.uuid1", "uuid.uuid4", "random.SystemRandom", "torch.seed")
UNSORTED = frozenset({"os.listdir", "os.scandir", "os.walk", "glob.glob", "glob.iglob"})

RULES = (
    Rule(
        "clock",
        "breaks",
        _one_of(*CLOCKS),
        "asks {name} for the time, which is another one at the next run",
        "take `as_of` in the data step, and hand on what depends on it as a column or an output",
    ),
    Rule(
        "stopwatch",
        "risks",
        _one_of(*STOPWATCHES),
        "asks {name} how long something took, which is another answer each time",
        "print it or noria.log it, and keep it out of what the step returns",
    ),
    Rule(
        "process",
        "breaks",
        _one_of(*PROCESS),
        "{name} is another one in each process",
        "name things by what is in them: a digest, an input's key, a number that is counted in the step",
    ),
    Rule(
        "machine",
        "risks",
        _one_of(*MACHINE),
        "{name} is another one on another machine",
        "leave it to the run's record, which has the machine; what must be known comes in as a hyperparameter",
    ),
    Rule(
        "unseeded",
        "breaks",
        _unseeded,
        "{name}() without a seed draws other numbers each time; Noria seeds those of modules alone (`random`, `numpy.random`, polars, torch)",
        "give it a seed from a hyperparameter: def step(..., *, seed: int = 0)",
    ),
    Rule(
        "chance",
        "breaks",
        lambda use, role: use.name in CHANCE or use.name.startswith("secrets."),
        "{name} cannot be seeded",
        "draw from numpy.random.default_rng(seed), with the seed as a hyperparameter",
    ),
    Rule(
        "environment",
        "risks",
        lambda use, role: use.name in ("os.environ", "os.getenv") or use.name.startswith("os.environ."),
        "{name}: an environment variable is no part of the record",
        "make it a hyperparameter, which noria.toml or --set gives",
    ),
    Rule(
        "network",
        "breaks",
        _beneath("requests", "httpx", "aiohttp", "urllib", "urllib3", "boto3", "s3fs", "socket"),
        "{name} asks the network in the middle of the pipeline",
        "read it in a @data step: its content is then pinned and checked",
    ),
    Rule(
        "file",
        "risks",
        _reads_in_step,
        "{name} reads a file that neither the cache nor the record sees",
        "read it in a @data step through noria.files",
    ),
    Rule(
        "unseen",
        "risks",
        _reads_unseen,
        "{name} reads a file whose bytes are not kept: the result is, but a rebuild cannot read the file again",
        "noria.files(pattern) gives the paths, and keeps the files by digest",
    ),
    Rule(
        "order",
        "risks",
        _unsorted,
        "{name} gives names in the order of the file system",
        "put sorted(...) around it",
    ),
    Rule(
        "cores",
        "risks",
        _every_core,
        "{name} takes as many threads as the machine has cores: sums are rounded otherwise elsewhere",
        "declare resources=noria.Resources(cpus=n) on the step, and give the same n here",
    ),
)
"""Asked in this order; the first that holds is told."""

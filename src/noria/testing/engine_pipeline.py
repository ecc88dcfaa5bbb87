"""The project on which engines are tested: steps that print, log, hang, crash, and lie in wait for one another."""

PIPELINE = r'''
import ctypes, os, pathlib, signal, subprocess, sys, time
import noria
import helpers

p = noria.Pipeline("p")


def until(path):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.01)


@p.step
def noop(): return 0

@p.step
def double(*, number=0): return 2 * number

@p.step
def says():
    print("from Python")
    sys.stdout.flush()
    ctypes.CDLL(None).puts(b"from C")
    ctypes.CDLL(None).fflush(None)
    subprocess.run(["echo", "from a child"], check=True)
    os.write(2, b"from descriptor 2\n")
    print("to stderr \u00e9\u2603", file=sys.stderr)
    print("progress 1\rprogress 2")
    print("no end", end="")

@p.step
def asks(*, answer=""):
    print("go on")
    until(pathlib.Path(answer))
    return "answered"

@p.step
def noise():
    for _ in range(200):
        os.write(1, bytes(range(256)) * 100)
    return 1

@p.step
def big(): return {"numbers": [{"n": n, "text": "x" * 100} for n in range(50_000)]}

@p.step
def reads():
    """A file of the project, by its place beside the code and by the working folder."""
    beside = (pathlib.Path(__file__).parent / "words.txt").read_text()
    assert pathlib.Path("words.txt").read_text() == beside
    return beside

@p.step
def settings():
    names = ["PYTHONHASHSEED", "OMP_NUM_THREADS", "POLARS_MAX_THREADS", "TZ"]
    return [os.environ.get(name) for name in names]

@p.step
def logs(*, diverge=False):
    for epoch in range(3):
        noria.log(loss=1.0 / (epoch + 1), step=epoch)
    noria.show("shown", title="a word")
    assert not diverge
    return 0

@p.step
def goes_on():
    state = noria.checkpoint()
    done = state.load(default=0)
    if not done:
        state.save(1)
        os.kill(os.getpid(), signal.SIGKILL)
    return f"from {done}"

@p.step
def killed():
    print("my last words")
    os.kill(os.getpid(), signal.SIGKILL)

@p.step
def crashed(): ctypes.string_at(0)

@p.step
def left(): os._exit(7)

@p.step
def quits(): sys.exit("so long")

@p.step
def interrupted(): raise KeyboardInterrupt

@p.step
def raises(): return helpers.divide(0)

@p.step
def explains():
    try:
        helpers.divide(0)
    except ZeroDivisionError as error:
        raise RuntimeError("could not divide") from error

@p.step
def unstorable(): return object()

@p.step
def hangs():
    child = subprocess.Popen(["sleep", "600"])
    print("pids", os.getpid(), child.pid, flush=True)
    sum(range(10**15))  # in C, and it never lets go of the interpreter

@p.step
def takes(*, mebibytes=1):
    taken = bytearray(mebibytes << 20)
    return len(taken) >> 20

@p.step
def naps():
    time.sleep(0.05)
    return "slept"

@p.step
def meets(*, folder="", me="", other=""):
    """Only side by side can both end."""
    (pathlib.Path(folder) / me).touch()
    until(pathlib.Path(folder) / other)
    return f"{me} met {other}"

@p.step
def has_it_all(*, folder=""):
    """Only one after another does nobody find the mark of another."""
    mark = pathlib.Path(folder) / "taken"
    mark.touch(exist_ok=False)
    time.sleep(0.1)
    mark.unlink()
    return True
'''

FILES = {
    "pipeline.py": PIPELINE,
    "helpers.py": "def divide(x):\n    return 1 / x\n",
    "words.txt": "beside the code",
}
"""Its files by their names."""

"""BentoML with its adaptive batching around a joblib file.

python bentoml_sklearn.py MODEL COLUMNS METHOD:COLUMN         on stdout: the port
"""

import os
import socket
import sys
import tempfile
from pathlib import Path

SERVICE = """
import bentoml, joblib, numpy as np


@bentoml.service(workers=1)
class Tumours:
    def __init__(self) -> None:
        self.model = joblib.load({model!r})

    @bentoml.api(batchable=True, max_batch_size=256, max_latency_ms=60000)
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return getattr(self.model, {method!r})(rows)[:, {column}]
"""

method, column = sys.argv[3].split(":")
folder = Path(tempfile.mkdtemp(prefix="bentoml-"))
(folder / "service.py").write_text(
    SERVICE.format(model=str(Path(sys.argv[1]).resolve()), method=method, column=int(column))
)
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
print(port, flush=True)
os.chdir(folder)
os.environ["BENTOML_HOME"] = str(folder / "home")
os.environ["BENTOML_DO_NOT_TRACK"] = "True"
program = Path(sys.executable).with_name("bentoml")
os.execv(program, [program, "serve", "service:Tumours", "--host", "127.0.0.1", "--port", str(port)])

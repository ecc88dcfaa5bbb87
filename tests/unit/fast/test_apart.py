"""A process that has no Series imports no pandas, though pyarrow would."""

from __future__ import annotations

import subprocess
import sys

ARROW = "import sys, pyarrow as pa; pa.array([1.0]).to_numpy(zero_copy_only=False); print('pandas' in sys.modules)"


def said(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_arrow_alone_would_import_pandas() -> None:
    assert said(ARROW) == "True"  # else there is nothing to keep out any more


def test_pandas_stays_out_and_polars_lives_with_it() -> None:
    code = "from noria.fast.apart import without_pandas; without_pandas(); import polars; polars.DataFrame({'a': [1]}).to_arrow(); "
    assert said(code + ARROW) == "False"


def test_pandas_may_come_back_before_arrow_has_asked_for_it() -> None:
    code = "from noria.fast.apart import with_pandas, without_pandas; without_pandas(); with_pandas(); import pandas; print(pandas.Series([1]).sum())"
    assert said(code) == "1"

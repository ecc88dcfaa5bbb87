"""What authors of back ends test with: a contract suite for each port, and records to feed it.

In comes a back end, as a fixture of a test class that inherits a suite; out goes the proof that it keeps the
port's promises. It refuses to know any back end: `class TestMine(LedgerContract): ...` stands with the back end.
"""

import pytest

# A suite's failure shows the values, as a test's own does.
pytest.register_assert_rewrite(
    *(
        f"{__name__}.{suite}"
        for suite in ("records", "engine", "engine_site", "object_store", "slots", "sweepable")
    )
)

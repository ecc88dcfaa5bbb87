"""One row a request against a real service: latency by number of connections, and rows a second in batches.

    python bench/serve_single_row.py            prints a table and writes bench/results/serve_single_row.json

The model is the tests' own (six polars expressions, then a weighted sum), so what is measured is Noria around it. The
service's CPU time is read from /proc: on a busy machine it says more than the wall clock.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from integration.serving_world import ROW, Running, World, service  # noqa: E402

SECONDS = 4.0  # s a measurement; long enough for a few thousand answers
CONNECTIONS = (1, 16, 64)
ROWS = 256


async def ask(url: str, connections: int, rows: int) -> dict[str, float]:
    """Closed loop: each connection asks again as soon as it is answered."""
    body = json.dumps({"rows": [ROW] * rows}).encode()
    headers = {"content-type": "application/json"}
    times: list[float] = []
    end = time.perf_counter() + SECONDS

    async def caller(client: httpx.AsyncClient) -> None:
        while (began := time.perf_counter()) < end:
            answer = await client.post("/v1/models/rides/predict", content=body, headers=headers)
            if answer.status_code != 200:
                raise SystemExit(f"the service answered {answer.status_code}: {answer.text}")
            times.append(time.perf_counter() - began)

    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30) as client:
        await asyncio.gather(*(caller(client) for _ in range(connections)))
    ordered = sorted(times)
    return {
        "requests": len(times),
        "p50_ms": statistics.median(ordered) * 1e3,
        "p99_ms": ordered[int(len(ordered) * 0.99)] * 1e3,
    }


def measured(running: Running, connections: int, rows: int) -> dict[str, float]:
    before = cpu_seconds(running.process.pid)
    result = asyncio.run(ask(running.url, connections, rows))
    spent = cpu_seconds(running.process.pid) - before
    return result | {
        "connections": connections,
        "rows": rows,
        "requests_per_second": result["requests"] / SECONDS,
        "rows_per_cpu_second": result["requests"] * rows / spent,
    }


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "state")
        world.register(1)
        world.promote(1)
        began = time.perf_counter()
        with service(world) as running:
            cold = time.perf_counter() - began
            results = [measured(running, connections, 1) for connections in CONNECTIONS]
            results.append(measured(running, 4, ROWS))
    print(
        f"cold start {cold:.1f} s\n{'connections':>11} {'rows':>5} {'req/s':>8} {'rows/CPU-s':>11} {'p50 ms':>8} {'p99 ms':>8}"
    )
    for each in results:
        print(
            f"{each['connections']:>11} {each['rows']:>5} {each['requests_per_second']:>8.0f}"
            f" {each['rows_per_cpu_second']:>11.0f} {each['p50_ms']:>8.2f} {each['p99_ms']:>8.2f}"
        )
    target = ROOT / "bench" / "results" / "serve_single_row.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({"cold_start_s": cold, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()

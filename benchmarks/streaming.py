"""How much memory training takes on rows that do not fit in it, and how fast it is beside rows that do.

    python benchmarks/streaming.py [--gigabytes 20] [--folder FOLDER] [--steps 300]

Makes a .npy file of float32 rows with 784 columns, opens it, trains so many steps, saves, goes on for as many in a new
process, and evaluates the run and encodes every row in a third one; then does so with 200 MB of the same rows in
memory. Writes the table of docs/scaling.md, removes the file. Peak memory is that of each process as Linux counts it:
VmHWM, with the pages of the file that are mapped; RssAnon, the most without these. Page cache is the system's.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"
COLUMNS, BATCH, BLOCK = 784, 512, 20_000
PART = """
import json, os, signal, sys, time
from pathlib import Path
import numpy as np
import aae
from aae.config import replace
from aae.data import load
from aae.data.arrays import read_npy
from aae.errors import Interrupted
path, out, last = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
def memory(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))
widths = dict.fromkeys(("model.encoder", "model.decoder", "model.discriminator"), (64,))
config = replace(aae.recipes.digits_2d_uniform(), {"data.source": str(path), "data.layout": "vectors", "threads": 1,
    "batch_size": 512, "epochs": 1000, "select": "last", "save_every": 1e9, **widths})
begun = time.perf_counter()
data = load(config.data)
opened, most, at = time.perf_counter() - begun, 0.0, []
def listen(progress):
    global most
    most = max(most, memory("RssAnon"))
    at.append(time.perf_counter())
    if progress.step == last:
        os.kill(os.getpid(), signal.SIGINT)
if last:
    try:
        (aae.resume if out.exists() else lambda p, **k: aae.train(config, p, **k))(out, data=data, listener=listen)
    except KeyboardInterrupt:
        pass
    rate = 512 * (len(at) - 1) / (at[-1] - at[0])
else:
    run = aae.Run.load(out)
    run.evaluate(data=data)
    begun = time.perf_counter()
    codes = run.encode(read_npy(path), sample=True)
    rate, most = len(codes) / (time.perf_counter() - begun), memory("RssAnon")
print(json.dumps({"open": opened, "peak": memory("VmHWM"), "own": most, "rows": len(data.x),
    "mapped": data.file is not None, "rate": rate}))
"""


def make(path: Path, rows: int) -> None:
    """Rows that differ: a block of noise, moved along for each block of the file."""
    noise = np.random.default_rng(0).normal(size=(BLOCK, COLUMNS)).astype(np.float32)
    with path.open("wb") as file:
        shape = {"descr": "<f4", "fortran_order": False, "shape": (rows, COLUMNS)}
        np.lib.format.write_array_header_1_0(file, shape)
        for start in range(0, rows, BLOCK):
            noise[:, start // BLOCK % COLUMNS] += 0.5
            file.write(noise[: rows - start].data)


def part(path: Path, out: Path, last: int) -> dict[str, Any]:
    """Train to a step; with 0, evaluate and encode."""
    command = [sys.executable, "-c", PART, str(path), str(out), str(last)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=20)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--folder", type=Path, help="where the file is made and removed; else a temporary one")
    given = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory(dir=given.folder) as made:
        folder = Path(made)
        for size, name in ((given.gigabytes, "mapped"), (0.2, "in memory")):
            start = time.perf_counter()
            make(folder / "rows.npy", int(size * 1e9 / 4 / COLUMNS))
            wrote = time.perf_counter() - start
            for turn, last in (("train", given.steps), ("resume", 2 * given.steps), ("evaluate, encode all", 0)):
                one = part(folder / "rows.npy", folder / name, last)
                assert one["mapped"] == (name == "mapped")
                found.append([name, f"{size:g}", turn, f"{one['rows']:,}", f"{wrote:.0f}", f"{one['open']:.0f}",
                              f"{one['peak']:,.0f}", f"{one['own']:,.0f}", f"{one['rate']:,.0f}"])  # fmt: skip
                print(found[-1], flush=True)
    head = ["rows are", "GB", "", "rows", "file made, s", "opened, s", "VmHWM, MiB", "RssAnon, MiB", "rows per second"]
    lines = ["| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *found]]
    command = f"python benchmarks/streaming.py --gigabytes {given.gigabytes:g} --steps {given.steps}"
    said = f"Made by `{command}`: 784 columns of float32, {BATCH} rows a step, networks of 64 units, one thread."
    text = "\n".join(["<!-- streamed -->", said, "", *lines, "<!-- /streamed -->"])
    page = PAGE.read_text(encoding="utf-8")
    page = re.sub(r"<!-- streamed -->.*<!-- /streamed -->", lambda _: text, page, flags=re.DOTALL)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()

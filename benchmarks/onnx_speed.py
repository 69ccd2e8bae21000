"""An exported run beside Python: how far apart they are over 1,000 rows, and how long each takes.

    python benchmarks/onnx_speed.py RUN [RUN ...]

For each graph that the run has: the largest difference from `Run`, in the units of what comes out, and the median time
over `ROUNDS` calls, in turn, for one row and for 1,000 rows. One processor thread for both. The rows are the first of
the run's own data.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import torch

import aae
from aae.anomaly import usual
from aae.data import original
from aae.evaluation import data_of
from aae.export import to_onnx

ROWS, ROUNDS = 1000, 21


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--data-dir")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print("| run | graph | largest difference | one row: Python | ONNX | 1,000 rows: Python | ONNX |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for path in chosen.runs:
        measure(aae.Run.load(path, device="cpu"), path.name, chosen.data_dir)


def measure(run: aae.Run, name: str, data_dir: str | None) -> None:
    data = data_of(run, directory=data_dir)
    train, held = (original(data.x[rows[:20_000]], data.spec) for rows in (data.splits.train, data.splits.validation))
    known = usual(run, train, held)
    kind = np.float64 if data.spec.columns else np.uint8 if data.spec.dtype == "uint8" else np.float32
    rows = original(data.x[:ROWS], data.spec).astype(kind)
    codes = run.encode(rows)
    shares = np.eye(max(1, run.model.beside), dtype=np.float32)[np.arange(len(rows)) % max(1, run.model.beside)]
    beside = {"classes": shares} if run.model.beside else {}
    calls: dict[str, tuple[Callable[..., np.ndarray], dict[str, np.ndarray]]] = {
        "encoder": (lambda rows: run.encode(rows), {"rows": rows}),
        "decoder": (lambda codes, classes=None: run.decode(codes, classes), {"codes": codes} | beside),
        "classifier": (lambda rows: run.predict_proba(rows), {"rows": rows}),
        "anomaly": (lambda rows: known.score(run, rows), {"rows": rows}),
    }
    with tempfile.TemporaryDirectory() as folder:
        for made in to_onnx(run, folder, known):
            python, inputs = calls[made.path.stem]
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            session = onnxruntime.InferenceSession(made.path, options, providers=["CPUExecutionProvider"])
            found, wanted = session.run(None, inputs)[0], python(**inputs)
            times = []
            for count in (1, ROWS):
                some = {key: value[:count] for key, value in inputs.items()}
                times += turns(partial(python, **some), partial(session.run, None, some))
            shown = " | ".join(f"{1e3 * t:.2f} ms" for t in times)
            print(f"| {name} | {made.path.stem} | {np.abs(found - wanted).max():.1e} | {shown} |", flush=True)


def turns(*calls: Callable[[], object]) -> list[float]:
    """Median seconds of each call, measured in turn with the others so that a busy moment meets all of them."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS):
        for k, call in enumerate(calls):
            started = time.perf_counter()
            call()
            taken[k].append(time.perf_counter() - started)
    return [statistics.median(times) for times in taken]


if __name__ == "__main__":
    main()

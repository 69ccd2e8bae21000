"""The graphs of a run to files: ONNX and PyTorch's own programs, each run again and held against Python."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aae.anomaly import Usual
from aae.errors import ConfigError
from aae.export.graphs import Graph, example, graphs, told
from aae.inference import Run
from aae.storage import make_folders, storing, write_atomic

CHECKED = 256
"""Rows that a file is held against Python with, once it is written."""
CLOSE = 1e-4
"""Largest difference from Python, in units of the largest value, that a file is believed with; see docs/export.md."""
METADATA = "aae"
"""The key of the ONNX file's metadata, and the name of the file in a .pt2: JSON."""


@dataclass(frozen=True)
class Written:
    """A file, and how far it is from Python over `CHECKED` rows, in units of the largest value."""

    path: Path
    difference: float


def to_onnx(run: Run, folder: str | Path, usual: Usual | None = None) -> list[Written]:
    """Write encoder.onnx, decoder.onnx, and classifier.onnx and anomaly.onnx as far as the run has them.

    usual: what `aae.anomaly.usual` or `AAEOutlierDetector.usual_` learnt; None: no anomaly.onnx. ConfigError without
    the packages, or for a model that no graph can hold; StorageError where nothing can be written.
    """
    needed("onnx", ("onnx", "onnxscript", "onnxruntime"))
    run, found = run.exact, []
    for graph in graphs(run, usual):
        data = _onnx_bytes(graph)
        found.append(_kept(run, graph, usual, Path(folder) / f"{graph.name}.onnx", data, _onnx_runner(data)))
    return found


def to_torch(run: Run, folder: str | Path, usual: Usual | None = None) -> list[Written]:
    """The same as .pt2 files, which `torch.export.load` reads; the metadata is their extra file `aae`."""
    run, found = run.exact, []
    for graph in graphs(run, usual):
        program, path = _program(graph), Path(folder) / f"{graph.name}.pt2"
        make_folders(path.parent)
        building = path.with_name(f".tmp-{path.name}")
        with storing(path), _quiet():
            torch.export.save(program, building, extra_files={METADATA: json.dumps(graph.metadata)})
        data = building.read_bytes()
        building.unlink()
        found.append(_kept(run, graph, usual, path, data, _torch_runner(program)))
    return found


def needed(extra: str, packages: Sequence[str]) -> None:
    """ConfigError that names the extra, unless all of its packages are there."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"this needs the package {missing[0]}; install it with: pip install 'adversarial-autoencoder[{extra}]'"
        )


def _program(graph: Graph) -> torch.export.ExportedProgram:
    """The graph traced, with its number of rows free."""
    batch = torch.export.Dim("batch")
    shapes = tuple({0: batch} for _ in graph.inputs)
    with _quiet(), torch.no_grad():
        try:
            return torch.export.export(graph.module.eval(), tuple(graph.inputs.values()), dynamic_shapes=shapes)
        except Exception as error:  # whatever the exporter trips over, it is about the model
            said = str(error).strip().splitlines()[:1]
            raise ConfigError(f"the {graph.name} of this model cannot be written as a graph ({said})") from error


def _onnx_bytes(graph: Graph) -> bytes:
    with _quiet():
        program = torch.onnx.export(
            _program(graph),
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    proto.producer_name, proto.doc_string = "aae", f"{graph.name} of an adversarial autoencoder"
    if graph.name == "classifier":
        _name_classes(proto, graph.metadata["classes"])
    entry = proto.metadata_props.add()
    entry.key, entry.value = METADATA, json.dumps(graph.metadata)
    return proto.SerializeToString()


def _name_classes(proto: Any, names: Sequence[str]) -> None:
    """Add the output `class`: the name of the likeliest class, text."""
    from onnx import TensorProto, helper

    text: list[Any] = list(names)
    proto.graph.initializer.append(helper.make_tensor("class_names", TensorProto.STRING, [len(names)], text))
    proto.graph.node.append(helper.make_node("Gather", ["class_names", "predicted"], ["class"]))
    batch = next(o for o in proto.graph.output if o.name == "predicted").type.tensor_type.shape.dim[0].dim_param
    proto.graph.output.append(helper.make_tensor_value_info("class", TensorProto.STRING, [batch]))


def _onnx_runner(data: bytes) -> Callable[[dict[str, Tensor]], list[Any]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, {name: value.numpy() for name, value in inputs.items()})


def _torch_runner(program: torch.export.ExportedProgram) -> Callable[[dict[str, Tensor]], list[Any]]:
    module = program.module()

    def run(inputs: dict[str, Tensor]) -> list[Any]:
        with torch.no_grad():
            found = module(*inputs.values())
        return [value.numpy() for value in (found if isinstance(found, tuple) else (found,))]

    return run


def _kept(
    run: Run,
    graph: Graph,
    usual: Usual | None,
    path: Path,
    data: bytes,
    runner: Callable[[dict[str, Tensor]], list[Any]],
) -> Written:
    """Write the file, once it has been seen to do what Python does."""
    difference = distance(run, graph.name, usual, runner)
    if not difference <= CLOSE:
        raise ConfigError(
            f"{graph.name}: the graph is {difference:.1e} away from Python, more than {CLOSE:g}; it is not written"
        )
    make_folders(path.parent)
    write_atomic(path, data)
    return Written(path, difference)


def distance(run: Run, name: str, usual: Usual | None, runner: Callable[[dict[str, Tensor]], list[Any]]) -> float:
    """Largest difference of a graph's first output from Python over `CHECKED` rows, over the largest value, 1 at least.

    The rows come from the model itself, so that no data is needed. Of a table the features are compared: a category
    that is as likely as another may come out as either.
    """
    rows, codes = example(run, CHECKED)
    beside = told(run, CHECKED) if name == "decoder" else {}
    inputs = {"codes": codes} | beside if name == "decoder" else {"rows": rows}
    found = runner(inputs)
    if name == "encoder":
        wanted = run.encode(rows.numpy())
    elif name == "classifier":
        wanted = run.predict_proba(rows.numpy())
    elif name == "anomaly":
        assert usual is not None
        wanted = usual.score(run, rows.numpy())
    elif run.spec.columns:
        found, wanted = found[1:], run.decoded_features(codes, beside.get("classes"), beside.get("conditions"))
    else:
        wanted = run.decode(codes, beside.get("classes"), beside.get("conditions"))
    return float(np.abs(found[0] - wanted).max() / max(1.0, float(np.abs(wanted).max())))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's notes on itself, which nobody here can act on."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


__all__ = ["Written", "needed", "to_onnx", "to_torch"]

"""What the commands share: arguments of one name and meaning, and how a run and rows are found by them."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from aae import config
from aae.config import Config, DataSpec

if TYPE_CHECKING:
    from aae.data import Dataset
    from aae.inference import Run

RunPath = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN", help="The run directory.")]
DataSource = Annotated[
    str,
    tyro.conf.Positional,
    tyro.conf.arg(metavar="DATA", help="`digits`, `mnist`, or a file or folder in original units."),
]
CodesPath = Annotated[
    Path,
    tyro.conf.Positional,
    tyro.conf.arg(metavar="CODES", help="A .npz file with an array `codes`, or a .npy file."),
]
DataDir = Annotated[str | None, tyro.conf.arg(name="data-dir", metavar="DIR", help="Folder of the named data set.")]
Out = Annotated[
    Path,
    tyro.conf.arg(aliases=["-o"], metavar="FILE", help="The file to write: .npz, .png; .csv, .parquet for a table."),
]
OutArrays = Annotated[
    Path, tyro.conf.arg(aliases=["-o"], metavar="FILE", help="The .npz file to write; .h5ad for a DATA of that kind.")
]
Precision = Annotated[
    Literal["auto", "fp32", "tf32", "bf16"] | None,
    tyro.conf.arg(
        help="Arithmetic of the networks. bf16: faster where the machine has it natively, less exact.",
        help_behavior_hint="(default: fp32, or tf32 for a run trained so)",
    ),
]
Count = Annotated[int, tyro.conf.arg(aliases=["-n"], help="How many rows to sample.")]
OfClass = Annotated[
    str | None,
    tyro.conf.arg(metavar="CLASS", help="Class to sample, by name or number (default: any, equally likely)."),
]
Conditions = Annotated[
    tuple[str, ...],
    tyro.conf.arg(metavar="NAME=VALUE ...", help="Conditions to sample under (default: those of training rows)."),
]
ClassOfRows = Annotated[
    str | None,
    tyro.conf.arg(
        metavar="CLASS",
        help="Class of all rows, by name or number (default: found by the model, or else the labels of DATA).",
    ),
]
ClassOfCodes = Annotated[
    str | None,
    tyro.conf.arg(
        metavar="CLASS",
        help="Class of all codes, by name or number (default: what `aae encode` wrote of each beside the codes).",
    ),
]
ConditionsOfRows = Annotated[
    tuple[str, ...],
    tyro.conf.arg(metavar="NAME=VALUE ...", help="Conditions of all rows (default: those in DATA, a table)."),
]
ConditionsOfCodes = Annotated[
    tuple[str, ...],
    tyro.conf.arg(metavar="NAME=VALUE ...", help="Conditions to decode under, where the decoder is told any."),
]
Compare = Annotated[
    bool, tyro.conf.arg(help="Also train a plain autoencoder and a VAE to stand beside the run in the report.")
]
LiveFlag = Annotated[
    bool,
    tyro.conf.FlagCreatePairsOff,
    tyro.conf.arg(name="live", help="Print the address of a page to look and steer."),
]
Quiet = Annotated[bool, tyro.conf.FlagCreatePairsOff, tyro.conf.arg(help="Print nothing but errors.")]
Layout = Literal["auto", "vectors", "images", "channels-first", "channels-last", "table"]


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()  # an address is waited for, through a pipe too


def as_json(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=2)


def run_of(path: Path, precision: str | None = None) -> Run:
    from aae.inference import Run

    return Run.load(path, precision=precision)


@contextlib.contextmanager
def rows_of(source: str, data_dir: str | None, layout: Layout, settings: Config, spec: DataSpec) -> Iterator[Any]:
    """The rows on the line; a run that cannot take them calls them by their file within the `with`.

    Values that have names come in the order of the run's `spec`.
    """
    from aae.data import read
    from aae.data.layout import GIVEN
    from aae.data.sources import in_order
    from aae.errors import DataError

    data = config.replace(settings, {"data.directory": data_dir, "data.layout": layout}).data
    raw = in_order(read(source, data, needs_label=False), spec.names)
    try:
        yield raw
    except DataError as error:
        said = str(error)
        raise DataError(raw.name + said.removeprefix(GIVEN) if said.startswith(GIVEN) else said) from None


def data_again(settings: Config, data_dir: str | None) -> Dataset:
    """The data of a run, from another folder if one is given."""
    from aae.data import load

    return load(config.replace(settings, {"data.directory": data_dir} if data_dir else {}).data)


def checked_data(run: Run, data_dir: str | None) -> Dataset:
    from aae.evaluation import data_of

    return data_of(run, directory=data_dir)

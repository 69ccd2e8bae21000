"""The commands that use a trained model on rows and codes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tyro

from aae import config
from aae.cli.options import (
    ClassOfCodes,
    ClassOfRows,
    CodesPath,
    Conditions,
    ConditionsOfCodes,
    ConditionsOfRows,
    Count,
    DataDir,
    DataSource,
    Layout,
    OfClass,
    Out,
    OutArrays,
    Precision,
    RunPath,
    rows_of,
    run_of,
    say,
)
from aae.cli.telling import (
    class_of,
    class_of_codes,
    class_of_rows,
    condition_of,
    condition_of_codes,
    condition_of_rows,
)
from aae.errors import ConfigError


def sample(
    run: RunPath,
    /,
    out: Out,
    n: Count = 64,
    seed: int = 0,
    y: OfClass = None,
    condition: Conditions = (),
    precision: Precision = None,
) -> None:
    """Decode codes drawn from the prior: new rows in original units (.npz) or a picture (.png)."""
    from aae.files import ROWS, check_suffix, write_rows

    check_suffix(out, *ROWS)
    loaded = run_of(run, precision)
    chosen = class_of(loaded, y, loaded.classes_to_sample)
    found = loaded.sample(n, seed=seed, y=chosen, condition=condition_of(loaded, condition))
    write_rows(out, loaded.spec, {"samples": found})
    say(f"wrote {n} samples to {out}")


def encode(
    run: RunPath,
    data: DataSource,
    /,
    out: OutArrays,
    data_dir: DataDir = None,
    layout: Layout = "auto",
    precision: Precision = None,
) -> None:
    """Write the codes of every row of DATA (arrays `codes` and, where known, `labels`).

    For a decoder that takes the class which the model finds, also `predicted` and `probabilities`.
    """
    from aae.files import check_suffix, found_classes, labels_of, write_arrays

    annotated = data.lower().endswith(".h5ad")
    check_suffix(out, *((".npz", ".h5ad") if annotated else (".npz",)))
    loaded = run_of(run, precision)
    with rows_of(data, data_dir, layout, loaded.config, loaded.spec) as raw:
        codes = loaded.encode(raw.x)
        needed = loaded.classes_told and loaded.model.classifies and out.suffix.lower() == ".npz"
        classes = found_classes(loaded.predict_proba(raw.x)) if needed else {}
    if out.suffix.lower() == ".h5ad":
        from aae.data.containers import CODES, write_h5ad

        write_h5ad(out, Path(data), codes)
        return say(f'wrote {data} with {len(codes)} codes of {codes.shape[1]} dimensions in obsm["{CODES}"] to {out}')
    write_arrays(out, {"codes": codes} | classes | labels_of(raw))
    say(f"wrote {len(codes)} codes of {codes.shape[1]} dimensions to {out}")


def decode(
    run: RunPath,
    codes: CodesPath,
    /,
    out: Out,
    y: ClassOfCodes = None,
    condition: ConditionsOfCodes = (),
    precision: Precision = None,
) -> None:
    """Decode codes: rows in original units (.npz, array `samples`) or a picture (.png).

    A decoder that takes a class is told --y, or what CODES says of each code: `probabilities` of classes that the model
    finds itself, else `labels`, which are names, numbers of the names in `classes`, or numbers of the run's classes.
    """
    from aae.files import ROWS, check_suffix, read_codes, write_rows

    check_suffix(out, *ROWS)
    loaded = run_of(run, precision)
    z = read_codes(codes)
    chosen, told = class_of_codes(loaded, codes, z, y), condition_of_codes(loaded, condition)
    rows = loaded.decode(z, chosen, told)
    write_rows(out, loaded.spec, {"samples": rows})
    say(f"wrote {len(rows)} decoded rows to {out}")


def reconstruct(
    run: RunPath,
    data: DataSource,
    /,
    out: Out,
    data_dir: DataDir = None,
    layout: Layout = "auto",
    y: ClassOfRows = None,
    condition: ConditionsOfRows = (),
    precision: Precision = None,
) -> None:
    """Encode every row of DATA and decode it again (.npz, array `samples`, or .png)."""
    from aae.files import ROWS, check_suffix, labels_of, write_rows

    check_suffix(out, *ROWS)
    loaded = run_of(run, precision)
    with rows_of(data, data_dir, layout, loaded.config, loaded.spec) as raw:
        chosen, told = class_of_rows(loaded, raw, y), condition_of_rows(loaded, raw, condition)
        rows = loaded.reconstruct(raw.x, chosen, told)
    write_rows(out, loaded.spec, {"samples": rows} | labels_of(raw))
    say(f"wrote {len(rows)} reconstructed rows to {out}")


def impute(
    run: RunPath,
    data: DataSource,
    /,
    out: Out,
    layout: Layout = "auto",
    y: ClassOfRows = None,
    precision: Precision = None,
) -> None:
    """Fill the gaps of every row of DATA, a table, by what the model makes of the rest of the row."""
    import numpy as np

    from aae.data import Raw, Table
    from aae.files import TABLES, check_suffix, write_table

    check_suffix(out, *TABLES)
    loaded = run_of(run, precision)
    with rows_of(data, None, layout, config.replace(loaded.config, {"data.label": None}), loaded.spec) as raw:
        labelled = raw
        if loaded.classes_told and isinstance(raw.x, Table):  # raw.x keeps the labels, to be written with the rest
            labelled = Raw.table(raw.x, loaded.config.data, raw.name, needs_label=False)
        filled = loaded.impute(raw.x, class_of_rows(loaded, labelled, y))
    write_table(out, loaded.table(filled) if isinstance(filled, np.ndarray) else filled)
    say(f"wrote {len(filled)} rows, their gaps filled, to {out}")


def predict(
    run: RunPath,
    data: DataSource,
    /,
    out: OutArrays,
    data_dir: DataDir = None,
    layout: Layout = "auto",
    precision: Precision = None,
) -> None:
    """Write the class or cluster of every row of DATA (arrays `predicted`, `probabilities`, known `labels`)."""
    from aae.files import check_suffix, found_classes, labels_of, write_arrays

    check_suffix(out, ".npz")
    loaded = run_of(run, precision)
    with rows_of(data, data_dir, layout, loaded.config, loaded.spec) as raw:
        probabilities = loaded.predict_proba(raw.x)
    write_arrays(out, found_classes(probabilities) | labels_of(raw))
    say(f"wrote the classes of {len(probabilities)} rows, out of {probabilities.shape[1]}, to {out}")


def restyle(
    run: RunPath,
    data: DataSource,
    /,
    out: Out,
    n: Annotated[int, tyro.conf.arg(aliases=["-n"], help="How many rows to restyle, from the first on.")] = 10,
    data_dir: DataDir = None,
    layout: Layout = "auto",
    condition: ConditionsOfRows = (),
    precision: Precision = None,
) -> None:
    """Decode the style of the first rows of DATA in every class (.npz, array `samples` [n, classes, ...], or .png).

    Of a table also .csv or .parquet: a row for every row and class, which stand in two columns of their own.
    """
    from aae.data import Table
    from aae.files import ROWS, check_rows, check_suffix, write_restyled

    check_suffix(out, *ROWS)
    loaded = run_of(run, precision)
    check_rows(out, loaded.spec)
    if n < 1:
        raise ConfigError(f"-n must be 1 or more, got {n}")
    with rows_of(data, data_dir, layout, loaded.config, loaded.spec) as raw:
        rows: Any = raw.x.head(n) if isinstance(raw.x, Table) else raw.x[:n]
        found = loaded.restyle(rows, condition_of_rows(loaded, raw, condition))
    names = loaded.class_names or [str(k) for k in range(found.shape[1])]
    label = "cluster" if loaded.config.model.clusters else loaded.config.data.label
    write_restyled(out, loaded.spec, rows, found, names, label)
    some = f"the first {len(found)} of {len(raw.x)} rows" if len(found) < len(raw.x) else f"{len(found)} rows"
    say(f"wrote the styles of {some} in {found.shape[1]} classes to {out}")

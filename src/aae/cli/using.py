"""The commands that use a trained model on rows and codes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from aae import config
from aae.cli.options import (
    CodesPath,
    Conditions,
    Count,
    DataDir,
    DataSource,
    Layout,
    OfClass,
    Out,
    OutArrays,
    RunPath,
    class_of,
    condition_of,
    rows_of,
    run_of,
    say,
)
from aae.errors import ConfigError


def sample(
    run: RunPath, /, out: Out, n: Count = 64, seed: int = 0, y: OfClass = None, condition: Conditions = ()
) -> None:
    """Decode codes drawn from the prior: new rows in original units (.npz) or a picture (.png)."""
    from aae.files import ROWS, check_suffix, write_rows

    check_suffix(out, *ROWS)
    loaded = run_of(run)
    found = loaded.sample(n, seed=seed, y=class_of(loaded, y), condition=condition_of(loaded, condition))
    write_rows(out, loaded.spec, {"samples": found})
    say(f"wrote {n} samples to {out}")


def encode(
    run: RunPath, data: DataSource, /, out: OutArrays, data_dir: DataDir = None, layout: Layout = "auto"
) -> None:
    """Write the codes of every row of DATA (arrays `codes` and, where known, `labels`)."""
    from aae.files import check_suffix, labels_of, write_arrays

    annotated = data.lower().endswith(".h5ad")
    check_suffix(out, *((".npz", ".h5ad") if annotated else (".npz",)))
    loaded = run_of(run)
    with rows_of(data, data_dir, layout, loaded.config, loaded.spec) as raw:
        codes = loaded.encode(raw.x)
    if out.suffix.lower() == ".h5ad":
        from aae.data.containers import CODES, write_h5ad

        write_h5ad(out, Path(data), codes)
        return say(f'wrote {data} with {len(codes)} codes of {codes.shape[1]} dimensions in obsm["{CODES}"] to {out}')
    write_arrays(out, {"codes": codes} | labels_of(raw))
    say(f"wrote {len(codes)} codes of {codes.shape[1]} dimensions to {out}")


def decode(run: RunPath, codes: CodesPath, /, out: Out) -> None:
    """Decode codes: rows in original units (.npz, array `samples`) or a picture (.png)."""
    from aae.files import ROWS, check_suffix, read_codes, write_rows

    check_suffix(out, *ROWS)
    loaded = run_of(run)
    rows = loaded.decode(read_codes(codes))
    write_rows(out, loaded.spec, {"samples": rows})
    say(f"wrote {len(rows)} decoded rows to {out}")


def reconstruct(run: RunPath, data: DataSource, /, out: Out, data_dir: DataDir = None, layout: Layout = "auto") -> None:
    """Encode every row of DATA and decode it again (.npz, array `samples`, or .png)."""
    from aae.files import ROWS, check_suffix, labels_of, write_rows

    check_suffix(out, *ROWS)
    loaded = run_of(run)
    with rows_of(data, data_dir, layout, loaded.config, loaded.spec) as raw:
        rows = loaded.reconstruct(raw.x)
    write_rows(out, loaded.spec, {"samples": rows} | labels_of(raw))
    say(f"wrote {len(rows)} reconstructed rows to {out}")


def impute(run: RunPath, data: DataSource, /, out: Out, layout: Layout = "auto") -> None:
    """Fill the gaps of every row of DATA, a table, by what the model makes of the rest of the row."""
    import numpy as np

    from aae.files import TABLES, check_suffix, write_table

    check_suffix(out, *TABLES)
    loaded = run_of(run)
    with rows_of(data, None, layout, config.replace(loaded.config, {"data.label": None}), loaded.spec) as raw:
        filled = loaded.impute(raw.x)
    write_table(out, loaded.table(filled) if isinstance(filled, np.ndarray) else filled)
    say(f"wrote {len(filled)} rows, their gaps filled, to {out}")


def predict(
    run: RunPath, data: DataSource, /, out: OutArrays, data_dir: DataDir = None, layout: Layout = "auto"
) -> None:
    """Write the class or cluster of every row of DATA (arrays `predicted`, `probabilities`, known `labels`)."""
    from aae.files import check_suffix, labels_of, write_arrays

    check_suffix(out, ".npz")
    loaded = run_of(run)
    with rows_of(data, data_dir, layout, loaded.config, loaded.spec) as raw:
        probabilities = loaded.predict_proba(raw.x)
    found = {"predicted": probabilities.argmax(1), "probabilities": probabilities}
    write_arrays(out, found | labels_of(raw))
    say(f"wrote the classes of {len(probabilities)} rows, out of {probabilities.shape[1]}, to {out}")


def restyle(
    run: RunPath,
    data: DataSource,
    /,
    out: Out,
    n: Annotated[int, tyro.conf.arg(aliases=["-n"], help="How many rows to restyle, from the first on.")] = 10,
    data_dir: DataDir = None,
    layout: Layout = "auto",
) -> None:
    """Decode the style of the first rows of DATA in every class (.npz, array `samples` [n, classes, ...], or .png)."""
    from aae.files import check_suffix, write_arrays, write_restyled

    check_suffix(out, ".npz", ".png")
    loaded = run_of(run)
    if n < 1:
        raise ConfigError(f"-n must be 1 or more, got {n}")
    with rows_of(data, data_dir, layout, loaded.config, loaded.spec) as raw:
        rows = raw.x[:n]
        found = loaded.restyle(rows)
    if out.suffix.lower() == ".npz":
        write_arrays(out, {"samples": found})
    else:
        write_restyled(out, loaded.spec, rows, found, loaded.class_names or [str(k) for k in range(found.shape[1])])
    say(f"wrote {len(found)} styles in {found.shape[1]} classes to {out}")

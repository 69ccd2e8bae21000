"""Data: from a name or a file to tensors, and from what a model makes back to what the user knows.

The path of one array::

    "digits", "mnist", "x.npy", "x.npz"
      -> read          sources.py   Raw: the array as stored, labels numbered, own test rows counted
           arrays.py, idx.py        file formats; sizes are checked before memory is asked for
           mnist.py, download.py    finding the files, or fetching them
           memory.py                what a Python user holds: arrays, tensors, torch Datasets, batches
           labels.py                numbers or text -> 0, 1, ... and -1 for unlabelled
           tables.py, csvs.py       named columns of any type, with gaps -> typed columns -> values [n, columns]
           frames.py                pandas, polars, Arrow; Parquet and Feather
      -> axes, flatten layout.py    vectors or images? -> [n, features], channels first
                       laying.py    the same for arrays in large files, written out once where they have to be
      -> check_finite  layout.py    NaN and infinity are refused by row and column
      -> split         splits.py    train, validation, test: shuffled row numbers
      -> choose_labelled labelled.py the training rows whose labels are learnt from
      -> fit           scaling.py   offset and scale, from the training rows alone
      -> Dataset       dataset.py   x, y, splits, and the DataSpec that travels with the run

    a batch:     Scaling(spec).apply(dataset.take(rows))   scaled float32 [batch, features], on the device
    a user's x:  Scaling(spec).apply(rows(x, spec))        the same, for any array in original units
    the way out: original(Scaling(spec).invert(u), spec)   original units, in the layout that came in
"""

from aae.data.cells import Table
from aae.data.dataset import MEMORY, Dataset, dataset, load
from aae.data.given import original, rows
from aae.data.scaling import Scaling
from aae.data.sources import Raw, read
from aae.data.splits import Splits

__all__ = ["MEMORY", "Dataset", "Raw", "Scaling", "Splits", "Table", "dataset", "load", "original", "read", "rows"]

"""Text tables: CSV and TSV, read strictly (a ragged row is an error, not a row with gaps) and written.

Types are told from the text: whole numbers, numbers, true and false, dates of ISO 8601, else text. A number with a
leading zero, such as a postal code, is text.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aae.columns import is_number
from aae.data.cells import Cells, Table
from aae.data.files import reading
from aae.errors import DataError

Array = NDArray[Any]

MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "?", "#N/A", "n/a", "na", "<NA>", "NaT")
"""What stands for a missing value."""
SEPARATORS = ",;\t|"
_LEADING_ZERO = re.compile(r"[+-]?0\d")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?")
_COMMA = re.compile(r"[+-]?\d+(,\d+)?")
_QUOTED = re.compile(r'"([^"]|"")*"([,;\t|]"([^"]|"")*")*')


def read_csv(path: Path) -> tuple[Table, list[str]]:
    """The table in a CSV or TSV file, and what was inferred about its form.

    DataError, naming the line, for a row of another length than the first, broken quotes, text that is not UTF-8.
    """
    text = _text(path)
    separator = "\t" if path.suffix.lower() == ".tsv" else _separator(text)
    limit = csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # all of the text is in memory already
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        lines: list[list[str]] = []
        for line in reader:
            if not line:
                continue
            if lines and len(line) != len(lines[0]):
                raise DataError(
                    f"{path}: line {reader.line_num} has {len(line)} fields, the first line {len(lines[0])} "
                    f"(separated by {separator!r}); every line needs as many, with text that holds {separator!r} in "
                    "double quotes"
                )
            lines.append(line)
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: {error}; mend that line, or save the table again") from None
    finally:
        csv.field_size_limit(limit)
    if not lines:
        raise DataError(f"{path}: is empty")
    names, body = _header(lines, _first_alone_is_quoted(text), path)
    if not body:
        raise DataError(f"{path}: has a header and no rows")
    columns = {
        name: _column(list(column), separator) for name, column in zip(names, zip(*body, strict=True), strict=True)
    }
    said = [f"read with {_NAMES[separator]} and {'a header' if len(body) < len(lines) else 'no header'}"]
    return Table(columns), said


_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def _text(path: Path) -> str:
    with reading(path):
        raw = path.read_bytes()
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{path}: is in UTF-16; save it as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}: line {line} is not UTF-8 (byte 0x{raw[error.start]:02x}); save the table as UTF-8, such as with "
            f"iconv -f LATIN1 -t UTF-8"
        ) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"{path}: line {line} holds a zero byte; it is not a text table")
    return text


def _separator(text: str) -> str:
    """The one that stands most often in the first line, outside quotes."""
    first = re.sub(r'"[^"]*"', "", text.lstrip("\r\n").split("\n", 1)[0])
    return max(SEPARATORS, key=first.count)


def _first_alone_is_quoted(text: str) -> bool:
    """Whether every field of the first line is in quotes, and not so in the second: names, be they numbers."""
    first, _, rest = text.lstrip("\r\n").partition("\n")
    second = rest.lstrip("\r\n").split("\n", 1)[0]
    return bool(second) and bool(_QUOTED.fullmatch(first.strip())) and not _QUOTED.fullmatch(second.strip())


def _header(lines: list[list[str]], quoted: bool, path: Path) -> tuple[list[str], list[list[str]]]:
    """Names of the columns and the rows. A first line with a number in it is a row, and the names are 0, 1, ...

    Not so if it is in quotes, unlike the second, or counts its columns from 0 (three or more, as pandas writes them,
    with or without an index).
    """
    first = [field.strip() for field in lines[0]]
    known = [field for field in first if field not in MISSING]
    counted = [str(i) for i in range(len(first))]
    counts = len(first) > 2 and first in (counted, ["", *counted[:-1]])
    if not quoted and not counts and (any(map(is_number, known)) or (len(first) > 1 and not known)):
        return [str(i) for i in range(len(first))], lines
    names = [field or f"column {i}" for i, field in enumerate(first)]
    double = [name for i, name in enumerate(names) if name in names[:i]]
    if double:
        raise DataError(f"{path}: two columns have the name {double[0]!r}; rename one")
    return names, lines[1:]


def _column(fields: list[str], separator: str) -> Cells:
    """Values in the narrowest type that all known ones fit, and where they are missing."""
    text = [field.strip() for field in fields]
    missing = np.array([field in MISSING for field in text])
    known = [field for field, gone in zip(text, missing, strict=True) if not gone]
    for convert in (_integers, _floats, _truths, _dates):
        found = convert(known, separator)
        if found is not None:
            out = np.zeros(len(text), found.dtype)
            out[~missing] = found
            words = next((w for w in _SPELT if found.dtype == bool and set(known) <= set(w)), ())
            return dataclasses.replace(Cells.of(out, missing), words=words)
    return Cells.of(np.array(text), missing)


def _integers(known: list[str], separator: str) -> Array | None:
    if any("_" in field or _LEADING_ZERO.match(field) for field in known):
        return None
    try:
        return np.array([int(field) for field in known], np.int64)
    except (ValueError, OverflowError):
        return None


def _floats(known: list[str], separator: str) -> Array | None:
    if any("_" in field or (_LEADING_ZERO.match(field) and "." not in field) for field in known):
        return None
    if separator == ";" and all(_COMMA.fullmatch(field) for field in known):
        known = [field.replace(",", ".") for field in known]
    try:
        return np.array([float(field) for field in known], np.float64)
    except ValueError:
        return None


_SPELT = (("false", "true"), ("FALSE", "TRUE"))


def _truths(known: list[str], separator: str) -> Array | None:
    lower = [field.lower() for field in known]
    return np.array([field == "true" for field in lower]) if set(lower) <= {"true", "false"} else None


def _dates(known: list[str], separator: str) -> Array | None:
    if not all(_DATE.fullmatch(field) for field in known):
        return None
    days = all(len(field) == 10 for field in known)
    try:
        return np.array(known, "datetime64[D]" if days else "datetime64[us]")
    except ValueError:  # the 31st of February
        return None


def _as_text(cells: Cells) -> Array:
    return np.array(cells.words)[cells.values.astype(np.int64)] if cells.words else cells.values.astype(str)


def written(source: Table, separator: str = ",") -> bytes:
    """A Table as text with a header, in UTF-8; missing values are empty."""
    columns = [np.where(c.missing, "", _as_text(c)).tolist() for c in source.columns.values()]
    returns = any("\r" in text for column in columns for text in column)  # which the writer then puts in quotes
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, lineterminator="\r\n" if returns else "\n")
    header = writer
    if any(map(is_number, source.names)):  # which would be read as a row
        header = csv.writer(
            out, delimiter=separator, lineterminator=writer.dialect.lineterminator, quoting=csv.QUOTE_ALL
        )
    header.writerow(source.names)
    writer.writerows(zip(*columns, strict=True))
    return out.getvalue().encode()

"""Named arrays as one block of bytes that a page can read without copying; `unpack` in front/base.js reads it."""

from __future__ import annotations

import json

import numpy as np

MAGIC = b"AAEP"
ALIGNED = 8
"""Every array starts at a multiple of this many bytes, as typed arrays in a browser demand."""
KINDS = {"f2", "f4", "f8", "u1", "i2", "i4", "u4"}


def pack(arrays: dict[str, np.ndarray]) -> bytes:
    """MAGIC, length of the header (uint32), header as JSON {name: [kind, shape, offset]}, arrays; little-endian.

    Offsets count from the end of the header, which is padded. TypeError for a kind of number that is not in KINDS.
    """
    header: dict[str, list[object]] = {}
    parts: list[bytes] = []
    offset = 0
    for name, array in arrays.items():
        kind = f"{array.dtype.kind}{array.dtype.itemsize}"
        if kind not in KINDS:
            raise TypeError(f"array {name} is {array.dtype}; expected one of {', '.join(sorted(KINDS))}")
        data = _padded(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
        header[name] = [kind, list(array.shape), offset]
        parts.append(data)
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-(len(MAGIC) + 4 + len(text)) % ALIGNED)
    return MAGIC + len(text).to_bytes(4, "little") + text + b"".join(parts)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % ALIGNED)

"""A run for programs that have neither this package nor, with ONNX, PyTorch: see docs/export.md."""

from aae.export.write import CHECKED, Written, to_onnx, to_torch

__all__ = ["CHECKED", "Written", "to_onnx", "to_torch"]

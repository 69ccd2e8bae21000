"""A run for programs that have neither this package nor, with ONNX, PyTorch: see docs/export.md."""

from aae.export.write import Written, to_onnx, to_torch

__all__ = ["Written", "to_onnx", "to_torch"]

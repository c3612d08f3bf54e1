"""Export of every model that lowers: QONNX (FINN, QONNX tools) and plain ONNX (ONNX Runtime), with the same words."""

from trigforge.firmware.export.execute import check_exported, run_exported
from trigforge.firmware.export.onnx import export_onnx
from trigforge.firmware.export.qonnx import export_qonnx

__all__ = ["check_exported", "export_onnx", "export_qonnx", "run_exported"]

"""Handlers of ONNX operators, one family per file; importing one registers it."""

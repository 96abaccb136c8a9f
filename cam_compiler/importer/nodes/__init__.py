"""Handlers of ONNX operators, a family a file; importing one registers it."""

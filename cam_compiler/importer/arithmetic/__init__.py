"""Exact arithmetic of the importer: fractions, quantisers, thresholds, sums and weights, without ONNX nodes."""

"""camc: compiles quantised ONNX networks with ternary weights for associative processors of racetrack memory."""

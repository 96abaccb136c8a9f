"""Third-party executors that evaluations are compared with: onnxruntime, and qonnx for models with QONNX operators."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from dialects.support.errors import InputError, ModelError
from dialects.support.files import check_file
from runtime.values import Value

EXECUTORS = ("onnxruntime", "qonnx")
_IR_VERSION = 10
_STANDARD_DOMAINS = ("", "ai.onnx", "com.microsoft")
_QONNX = "qonnx.custom_op.general"
_OLDER_DOMAINS = ("", "onnx.brevitas", "finn.custom_op.general")
"""Where models have QONNX's operators that were written before its domain had its name."""
_OPERATORS = ("Quant", "IntQuant", "BipolarQuant", "Trunc", "MultiThreshold", "Im2Col", "MaxPoolNHWC", "QuantAvgPool2d")

Run = Callable[[Mapping[str, Value]], dict[str, Value]]


def choose(model: Path, stated: str | None) -> str:
    """The executor that is stated, else the one that knows the model's operators; "none", with the reason, where there
    is none."""
    check_file(model)
    if stated == "none":
        return "none"
    name = stated or EXECUTORS[0 if _standard(model) else 1]
    if find_spec(name) is not None:
        return name
    if stated:
        raise InputError(f"{stated} is not installed", place="--reference", hint=f"pip install {stated}")
    return f"none ({name} is not installed)"


def load(model: Path, name: str) -> Run:
    """The model as a function from inputs to outputs, both by name."""
    try:
        run, batch = (_onnxruntime if name == "onnxruntime" else _qonnx)(model)
    except Exception as error:
        raise ModelError(f"{name} can't load it: {_first_line(error)}", place=str(model)) from error

    def guarded(given: Mapping[str, Value]) -> dict[str, Value]:
        try:
            return _in_pieces(run, given, batch)
        except Exception as error:
            raise ModelError(f"{name} can't run it: {_first_line(error)}", place=str(model)) from error

    return guarded


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _standard(model: Path) -> bool:
    onnx: Any = __import__("onnx")

    try:
        proto = onnx.load(str(model), load_external_data=False)
    except Exception as error:
        raise ModelError(f"not a readable ONNX file: {_first_line(error)}", place=str(model)) from error
    return all(node.domain in _STANDARD_DOMAINS and not _is_older(node) for node in proto.graph.node)


def _is_older(node: Any) -> bool:
    return node.op_type in _OPERATORS and node.domain in _OLDER_DOMAINS


def in_qonnx_domain(proto: Any) -> Any:
    """Puts QONNX's operators of older domains, the empty one among them, where its executor finds them; in place."""
    older = [node for node in proto.graph.node if _is_older(node)]
    for node in older:
        node.domain = _QONNX
    if older and all(entry.domain != _QONNX for entry in proto.opset_import):
        proto.opset_import.add(domain=_QONNX, version=1)
    return proto


def _in_pieces(run: Run, given: Mapping[str, Value], batch: int | None) -> dict[str, Value]:
    """Run a model that takes `batch` samples at a time on any number; the last piece is filled up."""
    samples = len(next(iter(given.values())))
    if batch is None:
        return run(given)
    parts: list[dict[str, Value]] = []
    for begin in range(0, samples, batch):
        rows = np.minimum(np.arange(begin, begin + batch), samples - 1)
        parts.append(run({name: value[rows] for name, value in given.items()}))
    return {name: np.concatenate([part[name] for part in parts])[:samples] for name in parts[0]}


def _onnxruntime(model: Path) -> tuple[Run, int | None]:
    ort: Any = __import__("onnxruntime")
    options = ort.SessionOptions()
    # By default it rewrites quantised products into inexact integer kernels.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    size = session.get_inputs()[0].shape[0]
    types = {item.name: _numpy_type(item.type) for item in session.get_inputs()}

    def run(given: Mapping[str, Value]) -> dict[str, Value]:
        typed = {name: value.astype(types.get(name) or value.dtype, copy=False) for name, value in given.items()}
        return dict(zip(names, session.run(names, typed), strict=True))

    return run, size if isinstance(size, int) else None


def _numpy_type(stated: str) -> str | None:
    """The numpy type of `tensor(float)`; None where it has none, and numbers go as they are."""
    inner = stated.removeprefix("tensor(").removesuffix(")")
    name = {"float": "float32", "double": "float64"}.get(inner, inner)
    return name if hasattr(np, name) and np.dtype(name).kind in "iuf" else None


def _qonnx(model: Path) -> tuple[Run, int | None]:
    onnx: Any = __import__("onnx")

    wrapper_module: Any = __import__("qonnx.core.modelwrapper", fromlist=["ModelWrapper"])
    executor: Any = __import__("qonnx.core.onnx_exec", fromlist=["execute_onnx"])
    shapes: Any = __import__("qonnx.transformation.infer_shapes", fromlist=["InferShapes"])
    folding: Any = __import__("qonnx.transformation.fold_constants", fromlist=["FoldConstants"])
    logging.disable(logging.WARNING)
    proto = in_qonnx_domain(onnx.load(str(model)))
    constants = {tensor.name for tensor in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in constants]
    for value in (*inputs, *proto.graph.output):
        for dim in value.type.tensor_type.shape.dim[:1]:
            if not dim.HasField("dim_value"):
                dim.dim_value = 1
    batch = inputs[0].type.tensor_type.shape.dim[0].dim_value
    # Shapes are inferred past a Reshape only once its target is a constant.
    steps = (shapes.InferShapes(), folding.FoldConstants(), shapes.InferShapes())
    with _known_version(onnx):
        wrapper = wrapper_module.ModelWrapper(proto)
        for step in steps:
            wrapper = wrapper.transform(step)

    def run(given: Mapping[str, Value]) -> dict[str, Value]:
        with _known_version(onnx):
            return executor.execute_onnx(wrapper, dict(given))

    return run, batch


def _known_version(onnx: Any) -> AbstractContextManager[object]:
    """qonnx makes a model of every node, stamped with onnx's own version, which may be too new for onnxruntime."""
    return mock.patch.object(onnx, "IR_VERSION", min(onnx.IR_VERSION, _IR_VERSION))

"""The `ternary` dialect: a network as integer tensors with exact ranges; nothing is float between its host ends.

    %q = ternary.quantize %image : tensor<?x64xf32> -> tensor<?x64x!ternary.int<0, 15>> thresholds ...
    %a = ternary.matmul %q : tensor<?x64x!ternary.int<0, 15>> -> tensor<?x10x!ternary.int<-90, 75>> weights ...
    %y = ternary.dequantize %a {scale = ..., offset = ...} : tensor<?x10x!ternary.int<-90, 75>> -> tensor<?x10xf32>

The first dimension of every tensor is the batch; the second is the channel.
"""

from __future__ import annotations

from xdsl.ir import Dialect

from dialects.ternary.host import (
    ActivationOp,
    ArgMaxOp,
    DequantizeSumOp,
    RealLinesAttr,
    ScoresAttr,
    TakeOp,
    TransposeOp,
)
from dialects.ternary.nodes import nodes_of, state_nodes
from dialects.ternary.ops import DequantizeOp, MatmulOp, QuantizeOp, ReshapeOp, ThresholdOp
from dialects.ternary.rescale import RescaleOp, RescalesAttr
from dialects.ternary.spatial import CombineOp, ConcatOp, ConvOp, MaxPoolOp, SumPoolOp, WindowAttr
from dialects.ternary.types import (
    FloatThresholdsAttr,
    IntTensor,
    IntType,
    MatrixAttr,
    RowsAttr,
    RowsTensor,
    ThresholdsAttr,
    channels_of,
    element_of,
    int_tensor,
    range_of,
    rows_of,
    shape_of,
    shape_text,
    verify_rows,
)
from dialects.ternary.work import layer_name, macs_of, positions_of, products_of, state_macs

Ternary = Dialect(
    "ternary",
    [
        QuantizeOp,
        MatmulOp,
        ConvOp,
        MaxPoolOp,
        SumPoolOp,
        CombineOp,
        ConcatOp,
        ThresholdOp,
        RescaleOp,
        ReshapeOp,
        TransposeOp,
        TakeOp,
        DequantizeOp,
        DequantizeSumOp,
        ArgMaxOp,
        ActivationOp,
    ],
    [
        IntType,
        MatrixAttr,
        ThresholdsAttr,
        FloatThresholdsAttr,
        RescalesAttr,
        WindowAttr,
        ScoresAttr,
        RealLinesAttr,
        RowsAttr,
    ],
)

__all__ = [
    "ActivationOp",
    "ArgMaxOp",
    "CombineOp",
    "ConcatOp",
    "ConvOp",
    "DequantizeOp",
    "DequantizeSumOp",
    "FloatThresholdsAttr",
    "IntTensor",
    "IntType",
    "MatmulOp",
    "MatrixAttr",
    "MaxPoolOp",
    "QuantizeOp",
    "RealLinesAttr",
    "RescaleOp",
    "RescalesAttr",
    "ReshapeOp",
    "RowsAttr",
    "RowsTensor",
    "ScoresAttr",
    "SumPoolOp",
    "TakeOp",
    "Ternary",
    "ThresholdOp",
    "ThresholdsAttr",
    "TransposeOp",
    "WindowAttr",
    "channels_of",
    "element_of",
    "int_tensor",
    "layer_name",
    "macs_of",
    "nodes_of",
    "positions_of",
    "products_of",
    "range_of",
    "rows_of",
    "shape_of",
    "shape_text",
    "state_macs",
    "state_nodes",
    "verify_rows",
]

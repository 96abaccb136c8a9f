"""The `apv` dialect (AP vectors): layers over column vectors, one value per row; rows are the samples of the batch.

    %r = apv.stage : tensor<?x10x!ternary.int<-90, 75>> {
      %x = apv.load %q : tensor<?x64x!ternary.int<0, 15>> -> !apv.columns<64, 0, 15>
      %a = apv.linear %x : (!apv.columns<64, 0, 15>) -> !apv.columns<10, -90, 75> weights <{ ... }>
      %s = apv.store %a : !apv.columns<10, -90, 75> -> tensor<?x10x!ternary.int<-90, 75>>
      apv.yield %s : tensor<?x10x!ternary.int<-90, 75>>
    }

A stage is what works on the same rows, from its loads to its stores. The weights of a
linear layer become instructions as an adder graph with exact widths, `apv.sum`.
"""

from __future__ import annotations

from xdsl.ir import Dialect

from dialects.apv.count import AccumulateOp, CountOp, TermsAttr
from dialects.apv.linear import LinearOp, SumOp
from dialects.apv.ops import LoadOp, StoreOp, ThresholdOp
from dialects.apv.part import PartAttr
from dialects.apv.rescale import RescaleOp
from dialects.apv.spatial import ConcatOp, GatherOp, MaxOp, ScatterOp
from dialects.apv.stage import StageOp, YieldOp
from dialects.apv.types import ColumnsType, GraphAttr, columns_of

Apv = Dialect(
    "apv",
    [
        StageOp,
        YieldOp,
        LoadOp,
        StoreOp,
        GatherOp,
        ScatterOp,
        LinearOp,
        SumOp,
        ThresholdOp,
        RescaleOp,
        MaxOp,
        ConcatOp,
        CountOp,
        AccumulateOp,
    ],
    [ColumnsType, GraphAttr, TermsAttr, PartAttr],
)

__all__ = [
    "AccumulateOp",
    "Apv",
    "ColumnsType",
    "ConcatOp",
    "CountOp",
    "GatherOp",
    "GraphAttr",
    "LinearOp",
    "LoadOp",
    "MaxOp",
    "PartAttr",
    "RescaleOp",
    "ScatterOp",
    "StageOp",
    "StoreOp",
    "SumOp",
    "ThresholdOp",
    "YieldOp",
    "columns_of",
]

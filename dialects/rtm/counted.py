"""Counted layers of the `rtm` dialect: a place for every weight, table and activation.

%r = rtm.counted %q : (tensor<?x3x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<-1, 2>> layer "fc"
  geometry <256x256x64> places <{
    activation c0.0:1
    part outputs 0:1 inputs 0:3
      c1.0 = out 0 : 10x
  }>
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from dialects.machine.target import Geometry
from dialects.rtm.counted_places import CountPlaces
from dialects.rtm.program import GeometryAttr, features
from dialects.support.packed import PackedAttr
from dialects.ternary import RowsTensor, rows_of, verify_rows


@irdl_attr_definition
class PlacesAttr(PackedAttr[CountPlaces]):
    """Places of a counted layer, one per line: `#rtm.places<{ ... }>`."""

    name = "rtm.places"
    value_class = CountPlaces


@irdl_op_definition
class CountedOp(IRDLOperation):
    """A counted layer that is placed: `rtm.counted %x : (T) -> T layer "fc" geometry <...> places <{ ... }>`."""

    name = "rtm.counted"
    inputs = var_operand_def(RowsTensor)
    result = result_def(RowsTensor)
    layer = prop_def(StringAttr)
    geometry = prop_def(GeometryAttr)
    places = prop_def(PlacesAttr)
    traits = traits_def(Pure())
    assembly_format = (
        "$inputs `:` functional-type($inputs, $result) `layer` $layer `geometry` $geometry `places` $places attr-dict"
    )

    def __init__(
        self, inputs: Sequence[SSAValue], result: Attribute, layer: str, geometry: Geometry, places: CountPlaces
    ):
        super().__init__(
            operands=[inputs],
            result_types=[result],
            properties={
                "layer": StringAttr(layer),
                "geometry": GeometryAttr.of(geometry),
                "places": PlacesAttr(places),
            },
        )

    def verify_(self) -> None:
        verify_rows(map(rows_of, (*self.inputs, self.result)))
        if problem := self.places.data.problem(sum(map(features, self.inputs)), features(self.result)):
            raise VerifyException(problem)

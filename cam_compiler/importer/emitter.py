"""Appends operations of the `ternary` dialect to a block, each once, with names that tell where they come from."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, field

from xdsl.dialects.builtin import DYNAMIC_INDEX
from xdsl.ir import Block, Operation, SSAValue

from dialects import ternary


def hint_of(name: str) -> str:
    """A readable SSA name: letters, digits and underscores, no number after its last underscore."""
    text = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
    text = re.sub(r"(_+\d+)+$", lambda match: match[0].replace("_", ""), text)
    return text if text and not text[0].isdigit() else f"t{text}"


@dataclass
class Emitter:
    """Appends operations to a block; what is there already isn't made again."""

    block: Block
    made: dict[Hashable, SSAValue] = field(default_factory=dict[Hashable, SSAValue])
    """The results of operations, by what they compute."""

    def add(self, op: Operation, hint: str) -> SSAValue:
        """Appends an operation of one result, whose name is made of `hint`; one that is there computes it already."""
        properties = frozenset((name, value) for name, value in op.properties.items() if name != "layer")
        key = (op.name, tuple(op.operands), op.results[0].type, properties)
        if key in self.made:
            op.erase()
            return self.made[key]
        self.block.add_op(op)
        op.results[0].name_hint = hint_of(hint)
        self.made[key] = op.results[0]
        return op.results[0]

    def reshape(self, value: SSAValue, shape: tuple[int, ...]) -> SSAValue:
        """The value with samples of another shape."""
        full = (DYNAMIC_INDEX, *shape)
        if ternary.shape_of(value) == full:
            return value
        return self.add(ternary.ReshapeOp(value, full), value.name_hint or "reshaped")

    def transpose(self, value: SSAValue, order: tuple[int, ...]) -> SSAValue:
        """The value with the dimensions of its samples in another order."""
        return self.add(ternary.TransposeOp(value, order), value.name_hint or "turned")

    def take(self, value: SSAValue, axis: int, indices: tuple[int, ...]) -> SSAValue:
        """Some elements of one dimension of the samples."""
        return self.add(ternary.TakeOp(value, axis, indices), value.name_hint or "part")

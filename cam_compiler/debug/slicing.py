"""What one value of one output depends on, as a network of its own that takes the same inputs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xdsl.dialects.builtin import ArrayAttr, ModuleOp
from xdsl.ir import SSAValue

from cam_compiler.debug.channels import Channels, channel_count
from cam_compiler.debug.restrict import prune, restrict
from dialects import ternary
from dialects.support.errors import UsageError
from runtime.interpreter import main_function, output_specs

_WANTED = re.compile(r"(?P<name>.*?)(?:\[(?P<index>\d+(?:\s*,\s*\d+)*)\])?", re.DOTALL)


@dataclass(frozen=True)
class Wanted:
    """An output, and which value of a sample: an index for each dimension; none is the first one."""

    name: str
    index: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> Wanted:
        """From `NAME` or `NAME[1, 0, 3]`."""
        found = _WANTED.fullmatch(text)
        assert found is not None
        return cls(found["name"], tuple(map(int, found["index"].split(","))) if found["index"] else ())

    def __str__(self) -> str:
        return f"{self.name}[{', '.join(map(str, self.index))}]"


def cut_out(module: ModuleOp, wanted: Wanted) -> Wanted:
    """Leave of a module what a value depends on, in place; gives where that value is then.

    Inputs keep their shapes. Raises UsageError for a value that there isn't.
    """
    function = main_function(module)
    end = function.body.block.last_op
    assert end is not None
    names = [spec.name for spec in output_specs(function)]
    if wanted.name not in names:
        raise UsageError(
            f"there is no output '{wanted.name}'", place="--output", hint=f"outputs are {', '.join(names)}"
        )
    number = names.index(wanted.name)
    value = end.operands[number]
    index = _checked(wanted, value)
    return_only(module, number)
    prune(module)
    value = end.operands[0]
    channels = Channels(module, hold_inputs=True)
    kept = channels.needed(value, index[0])
    channel = kept[value].tolist().index(index[0])
    restrict(module, kept)
    return Wanted(wanted.name, (channel, *index[1:]))


def _checked(wanted: Wanted, value: SSAValue) -> tuple[int, ...]:
    shape = ternary.shape_of(value)[1:] or (channel_count(value),)
    index = wanted.index or (0,) * len(shape)
    if len(index) != len(shape) or any(at >= size for at, size in zip(index, shape, strict=True)):
        sizes = "x".join(map(str, shape))
        raise UsageError(f"there is no value {list(index)} in samples of {sizes}", place=f"--output {wanted}")
    return index


def return_only(module: ModuleOp, *numbers: int) -> None:
    """Let a network give some of its outputs only."""
    function = main_function(module)
    end = function.body.block.last_op
    assert end is not None
    end.operands = [end.operands[number] for number in numbers]
    if function.res_attrs:
        function.res_attrs = ArrayAttr([function.res_attrs.data[number] for number in numbers])
    function.update_function_type()

"""The machine that a module is compiled for, as an attribute of the module.

    builtin.module attributes {rtm.target = #rtm.target<{
      name = "small"
      description = "64 x 64 cells of 32 domains, 64 arrays"
      rows = 64
      ...
    }>} { ... }

Its lines are those of a target file (dialects/machine/targets), with the target's name. Passes and runs read it, so a
dump needs nothing else to be compiled further."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp
from xdsl.irdl import irdl_attr_definition

from dialects.machine.target import Target, load_target
from dialects.support.errors import InputError
from dialects.support.packed import PackedAttr

_NAME = "rtm.target"


@irdl_attr_definition
class TargetAttr(PackedAttr[Target]):
    """A whole target, one field per line: `#rtm.target<{ name = "small" rows = 64 ... }>`."""

    name = "rtm.target"
    value_class = Target


def stated_target(module: ModuleOp) -> Target | None:
    """The machine that a module says it is compiled for, if it says so; raises InputError where it says nonsense."""
    stated = module.attributes.get(_NAME)
    if stated is None:
        return None
    if not isinstance(stated, TargetAttr):
        raise InputError(
            f"the module's {_NAME} is {stated}", hint="expected #rtm.target<{ ... }>, or no such attribute"
        )
    return stated.data


def target_of(module: ModuleOp) -> Target:
    """The machine that a module is compiled for, the default one where it doesn't say."""
    return stated_target(module) or load_target("default")


def set_target(module: ModuleOp, target: Target) -> None:
    """Let the module say that it is compiled for this machine."""
    module.attributes[_NAME] = TargetAttr(target)

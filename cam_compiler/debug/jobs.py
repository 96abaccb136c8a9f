"""What `camc reduce` works on: a module or an ONNX model, what makes it interesting, and how it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from cam_compiler.compile import read_module
from cam_compiler.debug import reductions
from cam_compiler.debug.predicates import Command
from cam_compiler.debug.search import Reduction, Search, Size
from cam_compiler.pipeline import parse_passes
from cam_compiler.runner import pipeline_of, reproducer
from dialects.support.files import read_text

if TYPE_CHECKING:
    from onnx import ModelProto

T = TypeVar("T")


Find = Callable[[ModuleOp, Sequence[ModulePass]], Exception | None]
"""What goes wrong in a module's way through some passes"""


@dataclass(frozen=True)
class Wrong:
    """Interesting is what goes wrong in a pipeline as the file itself does: by an error of the same class."""

    finds: Sequence[Find]
    """the first that finds something in the file is used"""
    pipeline: str | None
    """that in the file's first line, or the default one, where it is None"""

    def like(self, module: ModuleOp, stated: str | None) -> Callable[[ModuleOp], bool]:
        """Whether another module goes wrong as this one does; never where this one doesn't."""
        passes = parse_passes(self.pipeline or stated or "default")
        for find in self.finds:
            if error := find(module, passes):
                kind = type(error)
                return lambda other, find=find: type(find(other, passes)) is kind
        return lambda _: False


Test = Command | Wrong


@dataclass(frozen=True)
class Job(Generic[T]):
    """A case, and all that a search needs to know of it."""

    start: T
    interesting: Callable[[T], bool]
    measure: Callable[[T], tuple[Size, bytes]]
    reductions: Sequence[Reduction[T]]
    content: Callable[[T], bytes]
    """what is written of a case"""
    unit: str
    """what the first number of a size counts"""

    def search(self, seconds: float, said: Callable[[str], None]) -> Search[T]:
        """A search that takes so long at most."""
        return Search(self.start, self.interesting, self.measure, seconds, said)


def module_job(path: Path, test: Test) -> Job[ModuleOp]:
    """The job of an .mlir file; the pipeline in its first line stays."""
    module, stated = read_module(path), pipeline_of(read_text(path))

    def content(found: ModuleOp) -> bytes:
        return reproducer(stated, found)

    wrong = None if isinstance(test, Command) else test.like(module, stated)

    def interesting(found: ModuleOp) -> bool:
        if not reductions.is_valid(found):
            return False
        return wrong(found) if wrong else isinstance(test, Command) and test(content(found))

    return Job(module, interesting, reductions.measure, reductions.REDUCTIONS, content, "lines")


def model_job(path: Path, test: Test) -> Job[ModelProto]:
    """The job of an .onnx file."""
    from cam_compiler.debug import onnx_reductions
    from cam_compiler.importer import import_model
    from cam_compiler.importer.model import read_proto

    model = read_proto(path)
    wrong = None if isinstance(test, Command) else test.like(import_model(model), None)

    def content(found: ModelProto) -> bytes:
        return found.SerializeToString()

    def interesting(found: ModelProto) -> bool:
        if not onnx_reductions.is_valid(found):
            return False
        if not wrong:
            return isinstance(test, Command) and test(content(found))
        module = onnx_reductions.imported(found)
        return module is not None and wrong(module)

    return Job(model, interesting, onnx_reductions.measure, onnx_reductions.REDUCTIONS, content, "nodes")

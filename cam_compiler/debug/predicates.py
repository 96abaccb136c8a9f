"""What makes a case interesting: a command that fails, a pass that fails, or one that computes something else."""

from __future__ import annotations

import re
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from cam_compiler.compile import passes_left, target_for
from cam_compiler.execution import of_module
from cam_compiler.pipeline import make_context
from cam_compiler.validation import DifferenceError, edge_inputs
from cam_compiler.verification.against import Golden
from cam_compiler.verification.instructions import TableError
from dialects.rtm.target import set_target, target_of
from dialects.support.errors import CamcError
from dialects.support.verify import verify_module


@dataclass(frozen=True)
class Command:
    """A shell command that gets a file's path as `{}`."""

    text: str
    suffix: str
    exit_code: int | None = None
    """interesting when it exits with this; None: with anything but 0"""
    said: re.Pattern[str] | None = None
    """what its output must hold as well"""
    seconds: float = 60.0
    """a command that takes longer isn't interesting"""

    def __call__(self, content: bytes) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"case{self.suffix}"
            path.write_bytes(content)
            command = self.text.replace("{}", shlex.quote(str(path)))
            try:
                done = subprocess.run(
                    command,
                    shell=True,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    timeout=self.seconds,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return False
        failed = done.returncode != 0 if self.exit_code is None else done.returncode == self.exit_code
        return failed and (self.said is None or bool(self.said.search(done.stdout.decode(errors="replace"))))


def _lowered(module: ModuleOp, passes: Sequence[ModulePass]) -> ModuleOp:
    """A copy after the passes, verified after each."""
    copy, ctx = module.clone(), make_context()
    set_target(copy, target_for(copy, None))
    for item in passes_left(copy, passes):
        item.apply(ctx, copy)
        verify_module(copy)
    return copy


def failure(module: ModuleOp, passes: Sequence[ModulePass]) -> Exception | None:
    """What goes wrong in the passes, but for errors that are the user's."""
    try:
        _lowered(module, passes)
    except CamcError:
        return None
    except Exception as error:
        return error
    return None


def miscompilation(module: ModuleOp, passes: Sequence[ModulePass], *, by_pieces: bool = False) -> Exception | None:
    """How the network after the passes computes something else, if it does.

    By pieces it takes long, and notices what samples at the edges of quantisers don't show.
    """
    try:
        first, given = module.clone(), edge_inputs(module)
        golden = Golden("before", of_module(first, target_for(first, None), "native", trace=False), given, [first])
        after = _lowered(module, passes)
        golden.compare(of_module(after, target_of(after), "native", trace=False), "after", by_pieces=by_pieces)
    except (DifferenceError, TableError) as error:
        return error
    except Exception:
        # What fails in another way is another case.
        return None
    return None

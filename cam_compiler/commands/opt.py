"""`camc opt`: xDSL's optimiser driver with the dialects and passes of camc."""

from __future__ import annotations

import argparse
from dataclasses import replace
from traceback import extract_tb

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.xdsl_opt_main import xDSLOptMain

from cam_compiler.universe import PASSES
from dialects.support.errors import InputError, PipelineError
from dialects.support.verify import verify_order

# Everything goes on to xDSL's parser, options (--help too) as well as files.
PARSER = {"add_help": False, "prefix_chars": "\0"}


class _OptMain(xDSLOptMain):
    """The driver, which verifies as camc does that values are made before they are used."""

    def setup_pipeline(self) -> None:
        super().setup_pipeline()
        verify = self.pipeline.callback

        def callback(previous: ModulePass | None, module: ModuleOp, following: ModulePass | None) -> None:
            if not self.args.disable_verify:
                verify_order(module)
            if verify:
                verify(previous, module, following)

        self.pipeline = replace(self.pipeline, callback=callback)


def add_options(command: argparse.ArgumentParser) -> None:
    """Take whatever is given."""
    command.add_argument("arguments", nargs=argparse.REMAINDER)


def run(options: argparse.Namespace) -> None:
    """xDSL's optimiser driver with the dialects and passes of camc."""
    try:
        try:
            tool = _OptMain(description="camc opt: run passes on textual IR", args=options.arguments)
        except ValueError as error:
            raise PipelineError(str(error), hint=f"passes of camc are {', '.join(PASSES)}") from error
        tool.run()
    except ValueError as error:
        if not extract_tb(error.__traceback__)[-1].filename.endswith("xdsl_opt_main.py"):
            raise
        raise InputError(str(error)) from error
    except OSError as error:
        raise InputError(str(error)) from error
    except Exception:
        raise
    except BaseException as error:
        if type(error).__name__ != "ArgSpecParseError":
            raise
        raise PipelineError(f"malformed pipeline: {error}") from error

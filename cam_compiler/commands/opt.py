"""`camc opt`: xDSL's optimiser driver with the dialects and passes of camc."""

from __future__ import annotations

import argparse
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import IO

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import ArgSpecParseError
from xdsl.xdsl_opt_main import xDSLOptMain

from cam_compiler.files import check_output
from cam_compiler.ir_text import parse_module
from cam_compiler.universe import PASSES
from dialects.support.errors import FileError, IRError, PipelineError, UsageError
from dialects.support.verify import verify_order
from runtime.files import write_whole

# Everything goes on to xDSL's parser, options (--help too) as well as files.
PARSER = {"add_help": False, "prefix_chars": "\0"}


class _Whole(StringIO):
    """What goes to a file; closing it does not lose it."""

    def close(self) -> None:
        """Nothing: it is written when all is done."""


class _OptMain(xDSLOptMain):
    """The driver, which verifies as camc does that values are made before they are used, and writes files whole."""

    _whole: _Whole | None = None

    def setup_pipeline(self) -> None:
        try:
            super().setup_pipeline()
        except ValueError as error:
            raise PipelineError(str(error), hint=f"passes of camc are {', '.join(PASSES)}") from error
        verify = self.pipeline.callback

        def callback(previous: ModulePass | None, module: ModuleOp, following: ModulePass | None) -> None:
            if not self.args.disable_verify:
                verify_order(module)
            if verify:
                verify(previous, module, following)

        self.pipeline = replace(self.pipeline, callback=callback)

    def register_all_frontends(self) -> None:
        super().register_all_frontends()

        def parse(stream: IO[bytes]) -> ModuleOp:
            text = stream.read().decode()
            return parse_module(text, self.get_input_name(), self.ctx, implicit=not self.args.no_implicit_module)

        self.available_frontends["mlir"] = parse

    def get_input_stream(self) -> tuple[IO[bytes], str]:
        try:
            return super().get_input_stream()
        except OSError as error:
            raise FileError.of(error, "read", self.get_input_name()) from error

    def prepare_input(self) -> tuple[list[tuple[IO[bytes], int]], str]:
        try:
            return super().prepare_input()
        except ValueError as error:
            raise UsageError(str(error)) from error

    def parse_chunk(self, chunk: IO[bytes], file_extension: str, start_offset: int = 0) -> ModuleOp | None:
        try:
            return super().parse_chunk(chunk, file_extension, start_offset)
        except UnicodeDecodeError as error:
            raise IRError(f"it is no text: {error}", place=self.get_input_name()) from error
        except OSError as error:
            raise FileError.of(error, "read", self.get_input_name()) from error

    def prepare_output(self) -> IO[str]:
        if self.args.output_file is None:
            return super().prepare_output()
        # The input may be named again: it is replaced when its result is there.
        check_output(Path(self.args.output_file))
        self._whole = _Whole()
        return self._whole

    def run(self) -> None:
        super().run()
        if self._whole:
            write_whole(Path(self.args.output_file), self._whole.getvalue().encode())


def add_options(command: argparse.ArgumentParser) -> None:
    """Take whatever is given."""
    command.add_argument("arguments", nargs=argparse.REMAINDER)


def run(options: argparse.Namespace) -> None:
    """xDSL's optimiser driver with the dialects and passes of camc."""
    try:
        _OptMain(description="camc opt: run passes on textual IR", args=options.arguments).run()
    except ArgSpecParseError as error:
        raise PipelineError(f"malformed pipeline: {error}") from error

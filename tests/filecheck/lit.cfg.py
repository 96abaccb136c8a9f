"""lit's configuration: .mlir and .test files whose RUN lines use camc and filecheck of the running interpreter."""

import os
import sys
from pathlib import Path

import lit.formats

config.name = "camc"  # noqa: F821
config.test_format = lit.formats.ShTest(execute_external=False)  # noqa: F821
config.suffixes = [".mlir", ".test"]  # noqa: F821
config.test_source_root = str(Path(__file__).parent)  # noqa: F821
config.test_exec_root = os.environ.get("CAMC_LIT_OUTPUT", config.test_source_root)  # noqa: F821

# Outside an activated environment the tools beside the interpreter are not found otherwise.
tools = str(Path(sys.executable).parent)
config.environment["PATH"] = os.pathsep.join((tools, config.environment.get("PATH", "")))  # noqa: F821

"""The commands of `camc`, one per file: `add_options` says what it takes, `run` does it and may return an exit code.

A command's file is imported when the command is given, and only then, so that `camc --help` is quick.
"""

from __future__ import annotations

COMMANDS = {
    "demo": "the bundled network on the bundled images, with its report",
    "compile": "compile a model, or continue from textual IR",
    "run": "run a model, textual IR of any level, or a compiled program",
    "evaluate": "accuracy, agreement and energy on a labelled data set",
    "compare": "a network on the associative processor and on rival machines, in one table",
    "sensitivity": "which parameters of the hardware matter for a network's energy, latency and area",
    "verify": "check that models, IR files and programs compute the same",
    "bisect": "which pass of a pipeline computes something else, in which layer and on which input",
    "reduce": "a smaller file of which a command still fails, or a pass still computes something else",
    "slice": "cut out what one value of an output depends on, as a file of the same level that runs",
    "where": "from an instruction back to the value and the ONNX node that it is for",
    "debug": "step through a program on the golden simulator: key, mask, tags, columns, breakpoints",
    "diff": "how two modules of one level, or two programs, differ in structure and counts",
    "opt": "run passes on textual IR",
    "asm": "assemble AP code to its binary form",
    "disasm": "show the assembly of a binary program",
    "targets": "list the bundled targets",
    "passes": "list passes and pipelines, or describe one",
    "dialects": "list dialects, or describe one with its operations and types",
    "tech": "list the bundled technologies, or show the numbers of one",
}
"""What `camc --help` says of each; the file of a command has its name."""

"""`camc demo`: the bundled network on the bundled images."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from cam_compiler.compile import compile_file
from cam_compiler.evaluation.scores import accuracy, agreement
from cam_compiler.execution import of_module
from cam_compiler.loading import report_of
from cam_compiler.options import add_effort, add_energy, add_engine, add_machine, add_work, objective_of
from cam_compiler.runner import Instruments
from cam_compiler.terminal.progress import watching
from cam_compiler.terminal.report import print_report
from cam_compiler.validation import Validator
from runtime.cost.technology import load_technology

BUNDLED = Path(__file__).parents[1] / "bundled"


def add_options(command: argparse.ArgumentParser) -> None:
    """What `camc demo` takes."""
    command.add_argument("--network", choices=("mlp", "cnn"), default="mlp", help="fully connected, or residual")
    command.add_argument("--form", choices=("qonnx", "qdq"), default="qonnx", help="which of its two ONNX exports")
    add_engine(command)
    add_machine(command)
    add_effort(command)
    add_energy(command)
    add_work(command)


def run(options: argparse.Namespace) -> None:
    """Compile the bundled network and run it; print accuracy, exactness, energy and latency."""
    technology = load_technology(options.tech)
    model = BUNDLED / f"digits_{options.network}_{options.form}.onnx"
    data = np.load(BUNDLED / f"digits_{options.network}_test.npz")
    validator = Validator()
    with watching(options.quiet):
        module, target = compile_file(
            model,
            options.target,
            effort=options.effort,
            objective=objective_of(options),
            instruments=Instruments(validator=validator),
        )
    print(f"compiled {model.name} for target {target.name} ({target.geometry})")
    print(f"the IR computes the same after: {', '.join(validator.checked)}")
    print(f"running {len(data['label'])} images of handwritten digits on the simulated arrays")
    with watching(options.quiet):
        executor = of_module(module, target, options.engine)
        result = executor.run({"image": data["image"]})
    print(accuracy(result.outputs, data["label"]))
    for form, peer in (("qdq", "onnxruntime"), ("qonnx", "qonnx")):
        print(*agreement(result.outputs, {"logits": data[f"logits_{form}"]}, f"{peer} on the {form} form"))
    print(*agreement(result.outputs, {"logits": data["logits_exact"]}, "the exact evaluation in double precision"))
    print_report(report_of(options, result, executor.network, technology))

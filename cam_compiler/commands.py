"""The commands of `camc`, one function each; the command line's options come as an argparse namespace."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from traceback import extract_tb

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from cam_compiler.compile import compile_file, on_the_host, read_module, target_for, to_artefact
from cam_compiler.execution import Network, named, of_module, of_program
from cam_compiler.files import check_output, npz_bytes, read_arrays
from cam_compiler.objective import Objective
from cam_compiler.pipeline import PIPELINES
from cam_compiler.terminal.progress import watching
from cam_compiler.universe import PASSES
from cam_compiler.validation import Verifier, difference, edge_inputs
from dialects.ap.assembly import AssemblyCode
from dialects.machine.code import check_code
from dialects.machine.target import Target, bundled_targets, load_target
from dialects.support.errors import InputError, MismatchError, PipelineError, ProgramError, TextError
from dialects.support.instrumentation import part
from runtime.camx import load, save
from runtime.cost.report import make_report
from runtime.cost.technology import Technology, bundled_technologies, load_technology
from runtime.files import write_whole
from runtime.host import Result, Value
from runtime.interpreter import Interpreter

BUNDLED = Path(__file__).parent / "bundled"


def demo(options: argparse.Namespace) -> None:
    """Compile and run the bundled network on the bundled images; print accuracy, exactness, energy and latency."""
    technology = load_technology(options.tech)
    model = BUNDLED / f"digits_{options.network}_{options.form}.onnx"
    data = np.load(BUNDLED / f"digits_{options.network}_test.npz")
    verifier = Verifier()
    with watching(options.quiet):
        module, target = compile_file(
            model, options.target, effort=options.effort, objective=_objective(options), verifier=verifier
        )
    print(f"compiled {model.name} for target {target.name} ({target.geometry})")
    print(f"the IR computes the same after: {', '.join(verifier.checked)}")
    print(f"running {len(data['label'])} images of handwritten digits on the simulated arrays")
    with watching(options.quiet):
        network = of_module(module, target, options.engine)
        result = network.run({"image": data["image"]})
    _print_accuracy(result, data["label"])
    for form, executor in (("qdq", "onnxruntime"), ("qonnx", "qonnx")):
        _print_agreement(result, {"logits": data[f"logits_{form}"]}, f"{executor} on the {form} form")
    _print_agreement(result, {"logits": data["logits_exact"]}, "the exact evaluation in double precision")
    _print_report(result, network, technology, options)


def _objective(options: argparse.Namespace) -> Objective | None:
    if options.objective is None:
        return None
    target = load_target(options.target or "default")
    return Objective.of(options.objective, load_technology(options.tech), target.nanowires_per_cell)


def compile(options: argparse.Namespace) -> None:
    """Compile a model to a program or to the IR of a stage."""
    output: Path | None = options.output
    check_output(output, (".camx", ".mlir"))
    verifier = Verifier() if options.verify_each else None
    with watching(options.quiet) as screen:
        module, target = compile_file(
            options.model,
            options.target,
            pipeline="default" if options.pipeline is None else options.pipeline,
            effort=options.effort,
            objective=_objective(options),
            stop_after=options.stop_after,
            dump_to=options.dump_ir,
            verifier=verifier,
        )
    if verifier:
        print(f"the same outputs after each of: {', '.join(verifier.checked)}", file=sys.stderr)
    if options.stats:
        from cam_compiler.terminal.render import print_deeds

        print_deeds(screen.deeds)
    if ends := on_the_host(module):
        print(f"on the host: {', '.join(ends)}", file=sys.stderr)
    if output is None:
        print(str(module))
    elif output.suffix == ".mlir":
        write_whole(output, (str(module) + "\n").encode())
    else:
        save(to_artefact(module, target), output)


def run(options: argparse.Namespace) -> None:
    """Run a model, IR or a program on inputs; write and check its outputs, report its energy."""
    technology = load_technology(options.tech)
    check_output(options.output, (".npz",))
    check_output(options.report, (".json",))
    if options.report and options.level not in (None, "ap"):
        raise InputError(
            "counts come from the simulator", hint="leave --level out, or use --level ap", place="--report"
        )
    if options.report and options.no_trace:
        raise InputError(
            "a report needs the counts that depend on the data", hint="leave --no-trace out", place="--report"
        )
    labels = _read_labels(options.labels) if options.labels else None
    expected = read_arrays(options.expect) if options.expect else None
    given = read_arrays(options.input)
    with watching(options.quiet):
        network, check = load_network(options, check=options.check)
    if options.report and not network.programs:
        raise InputError(
            "counts come from the simulator, and the pipeline ends above the machine code", place="--report"
        )
    with watching(options.quiet):
        result = network.run(named(given, network.inputs))
    if check:
        check.show(result)
    if options.output:
        write_whole(options.output, npz_bytes(result.outputs))
    for name, value in result.outputs.items():
        print(f"output '{name}': {'x'.join(map(str, value.shape))} {value.dtype}")
    if result.host:
        print(f"on the host: {', '.join(result.host)}")
    if labels is not None:
        _print_accuracy(result, labels)
    if expected is not None:
        _print_agreement(result, expected, str(options.expect))
    if result.segments and options.no_trace:
        print("no energy: the counts that depend on the data were not traced (--no-trace)")
    elif result.segments:
        _print_report(result, network, technology, options)


def load_network(options: argparse.Namespace, *, check: bool = False) -> tuple[Network, Check | None]:
    """The network that a command names, compiled if it isn't, and with `check` what compares it with the golden one."""
    model: Path = options.model
    trace = not getattr(options, "no_trace", False)
    if model.suffix == ".camx":
        _refuse_compiling(options)
        return of_program(model, options.engine, trace=trace), None
    pipeline = "default" if options.pipeline is None else options.pipeline
    level = getattr(options, "level", None)
    module, target = compile_file(
        model,
        options.target,
        pipeline=pipeline,
        effort=options.effort,
        objective=_objective(options),
        stop_after=level,
    )
    network = of_module(module, target, options.engine, trace=trace)
    if not check:
        return network, None
    golden, _ = compile_file(model, options.target, pipeline=pipeline, stop_after="ternary")
    checking = Check(module, golden, target, options.engine, trace)
    return replace(network, execute=checking.run), checking


def _refuse_compiling(options: argparse.Namespace) -> None:
    """Raise InputError for options that come too late for a compiled program."""
    place = str(options.model)
    if getattr(options, "level", None) not in (None, "ap"):
        raise InputError(f"a compiled program runs at the ap level, not at {options.level}", place=place)
    if getattr(options, "check", False):
        raise InputError("a compiled program has no golden integers", hint="check the model itself", place="--check")
    given = {
        "--target": options.target,
        "--pipeline": options.pipeline,
        "-O": options.effort,
        "--objective": options.objective,
    }
    if late := [name for name, value in given.items() if value is not None]:
        raise InputError("the program is compiled already", place=late[0], hint="compile the model again with it")


class Check:
    """Compares the tensors between layers, part by part, with those of the network at the ternary level."""

    def __init__(self, module: ModuleOp, golden: ModuleOp, target: Target, engine: str, trace: bool):
        self.module, self.golden = module, golden
        self.target, self.engine, self.trace = target, engine, trace
        self.equal: dict[str, int] = {}

    def run(self, given: Mapping[str, Value]) -> Result:
        """The module's result; raises MismatchError where it isn't the golden one."""
        found, golden = Interpreter(self.target, self.engine, trace=self.trace, keep=True), Interpreter(keep=True)
        with part(0, 1, 2):
            result = found.run(self.module, given)
        with part(1, 2, 2, "check"):
            expected = golden.run(self.golden, given)
        if problem := difference(expected.outputs, result.outputs):
            raise MismatchError(f"the outputs are not the golden ones: {problem}")
        tensors = found.tensors()
        for key, value in golden.tensors().items():
            if key not in tensors:
                continue
            if problem := difference({key[0]: value}, {key[0]: tensors[key]}):
                raise MismatchError(f"a layer's integers are not the golden ones: {problem}")
            self.equal[key[0]] = self.equal.get(key[0], 0) + value.size
        return result

    def show(self, result: Result) -> None:
        """List what was equal."""
        from cam_compiler.terminal.render import print_listing

        rows = [(name, f"{count:,} integers equal") for name, count in self.equal.items()]
        print_listing([*rows, ("outputs", f"{sum(value.size for value in result.outputs.values()):,} values equal")])


def verify(options: argparse.Namespace) -> None:
    """Run models, IR files and programs on the same inputs; the first difference is an error."""
    verifier = Verifier(read_arrays(options.input) if options.input else None)
    paths: list[Path] = options.models
    with watching(options.quiet):
        for index, path in enumerate(paths):
            with part(index, index + 1, len(paths), path.name):
                _verify(path, verifier)
    for index, name in enumerate(verifier.checked):
        print(f"{name}: {'the same outputs' if index else 'sets the outputs'}")


def _verify(path: Path, verifier: Verifier) -> None:
    if path.suffix == ".camx":
        network = of_program(path, "native", trace=False)
        if verifier.inputs is None:
            raise InputError("name an .onnx or .mlir file first, or give --input", place=str(path))
    else:
        module = read_module(path)
        network = of_module(module, target_for(module, None), "native", trace=False)
        if verifier.inputs is None:
            verifier.inputs = edge_inputs(module)
    verifier.compare(network.run(named(verifier.inputs, network.inputs)), path.name)


def opt(arguments: Sequence[str]) -> int:
    """xDSL's optimiser driver with the dialects and passes of camc."""
    from xdsl.xdsl_opt_main import xDSLOptMain

    try:
        try:
            tool = xDSLOptMain(description="camc opt: run passes on textual IR", args=arguments)
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
    return 0


def asm(options: argparse.Namespace) -> None:
    """Assemble text to a binary program."""
    target = load_target("default" if options.target is None else options.target)
    name = options.source
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"can't be read: {error}", place=name) from error
    try:
        code = AssemblyCode.from_text(text)
    except TextError as error:
        before = text[: error.offset]
        line, column = before.count("\n") + 1, error.offset - before.rfind("\n")
        raise ProgramError(error.message, place=f"{name}:{line}:{column}") from error
    if not code.binary:
        raise ProgramError("it holds no instruction", place=name)
    check_code(code.instructions, target.columns, target.domains)
    write_whole(options.output, code.binary)


def disasm(options: argparse.Namespace) -> None:
    """Show the assembly of a binary program or of all segments of a compiled network."""
    path: Path = options.program
    if path.suffix == ".camx":
        parts = [part for program in load(path).programs.values() for part in program.segments]
        text = "\n".join(f"; {layer}\n{AssemblyCode(binary).to_text()}" for layer, binary in parts)
    else:
        try:
            binary = path.read_bytes()
        except OSError as error:
            raise InputError(f"can't be read: {error.strerror}", place=str(path)) from error
        if not binary:
            raise ProgramError("it holds no instruction", place=str(path))
        text = AssemblyCode(binary).to_text()
    if options.output:
        write_whole(options.output, f"{text}\n".encode())
    else:
        print(text)


def targets(_: argparse.Namespace) -> None:
    """List the bundled targets."""
    from cam_compiler.terminal.render import print_listing

    print_listing([(name, load_target(name).description) for name in bundled_targets()])


def passes(_: argparse.Namespace) -> None:
    """List passes and named pipelines."""
    from cam_compiler.terminal.render import print_listing

    rows = [(name, (make().__doc__ or "").splitlines()[0]) for name, make in PASSES.items()]
    rows += [(f"pipeline {name}", ",".join(items)) for name, items in PIPELINES.items()]
    print_listing(rows)


def tech(_: argparse.Namespace) -> None:
    """List the bundled technologies."""
    from cam_compiler.terminal.render import print_listing

    print_listing([(name, load_technology(name).description) for name in bundled_technologies()])


def _read_labels(path: Path) -> Value:
    labels = next(iter(read_arrays(path).values()))
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise InputError(f"expected one class number a sample, found {labels.shape} {labels.dtype}", place=str(path))
    return labels


def _print_accuracy(result: Result, labels: Value) -> None:
    output = next(iter(result.outputs.values()))
    classes = _classes(output)
    if classes is None or len(classes) != len(labels):
        raise InputError(f"{len(labels)} labels don't fit an output of shape {output.shape}")
    right = int((classes == labels).sum())
    print(f"accuracy: {right} of {len(labels)} ({right / len(labels):.2%})")


def _classes(output: Value) -> Value | None:
    """A class a sample: the greatest logit's, or, of an integer a sample, that; None where it is neither."""
    if output.dtype.kind == "i" and output.size == len(output):
        return output.reshape(-1)
    return output.argmax(axis=1) if output.ndim == 2 else None


def _print_agreement(result: Result, expected: Mapping[str, Value], source: str) -> None:
    """How far the outputs agree with given ones: the largest difference, and the classes where they are logits."""
    pairs = dict(expected)
    if set(pairs) == {""} and len(result.outputs) == 1:
        pairs = {next(iter(result.outputs)): pairs[""]}
    for name, value in pairs.items():
        found = result.outputs.get(name)
        if found is None:
            raise InputError(f"there is no output '{name}'", hint=f"outputs are {', '.join(result.outputs)}")
        if found.shape != value.shape:
            raise InputError(f"output '{name}' has shape {found.shape}, {source} {value.shape}")
        gap = np.abs(found.astype(np.float64) - value.astype(np.float64))
        line = f"agreement with {source}: largest difference {gap.max():.3g}"
        classes, expected_classes = _classes(found), _classes(value)
        if classes is not None and expected_classes is not None:
            same = int((classes == expected_classes).sum())
            line += f", same class for {same} of {len(found)} samples"
        print(line)


def _print_report(result: Result, network: Network, technology: Technology, options: argparse.Namespace) -> None:
    from cam_compiler.terminal.render import print_report

    report = make_report(
        result,
        network.target,
        technology,
        batch=getattr(options, "batch", None),
        ignore_instruction_fetch=options.ignore_instruction_fetch,
        programs=network.programs,
    )
    print_report(report)
    if path := getattr(options, "report", None):
        write_whole(path, (json.dumps(report.to_json(), indent=1) + "\n").encode())

"""The commands of `camc`, one function each; the command line's options come as an argparse namespace."""

from __future__ import annotations

import argparse
import io
import json
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cam_compiler.driver import compile_file, read_module, to_artefact
from cam_compiler.pipeline import PIPELINES
from cam_compiler.universe import PASSES
from cam_compiler.verify import Verifier, difference, edge_inputs
from dialects.assembly import AssemblyCode
from dialects.code import check_code
from dialects.errors import InputError, MismatchError, PipelineError, ProgramError, TextError
from dialects.target import Target, bundled_targets, load_target
from runtime.artefact import Execute, load, save, write_whole
from runtime.host import InputSpec, Result, Value
from runtime.interpreter import Interpreter, input_specs, main_function
from runtime.report import make_report
from runtime.technology import Technology, bundled_technologies, load_technology

BUNDLED = Path(__file__).parent / "bundled"


def demo(options: argparse.Namespace) -> None:
    """Compile and run the bundled network on the bundled images; print accuracy, exactness, energy and latency."""
    technology = load_technology(options.tech)
    model = BUNDLED / f"digits_{options.network}_{options.form}.onnx"
    data = np.load(BUNDLED / f"digits_{options.network}_test.npz")
    verifier = Verifier()
    module, target = compile_file(model, options.target, verifier=verifier)
    print(f"compiled {model.name} for target {target.name} ({target.geometry})")
    print(f"the IR computes the same after: {', '.join(verifier.checked)}")
    print(f"running {len(data['label'])} images of handwritten digits on the simulated arrays")
    result = Interpreter(target, options.engine).run(module, {"image": data["image"]})
    _print_accuracy(result, data["label"])
    for form, executor in (("qdq", "onnxruntime"), ("qonnx", "qonnx")):
        _print_agreement(result, {"logits": data[f"logits_{form}"]}, f"{executor} on the {form} form")
    _print_agreement(result, {"logits": data["logits_exact"]}, "the exact evaluation in double precision")
    _print_report(result, target, technology, options)


def compile(options: argparse.Namespace) -> None:
    """Compile a model to a program or to the IR of a stage."""
    output: Path | None = options.output
    _check_output(output, (".camx", ".mlir"))
    verifier = Verifier() if options.verify_each else None
    module, target = compile_file(
        options.model,
        options.target,
        pipeline=options.pipeline,
        stop_after=options.stop_after,
        dump_to=options.dump_ir,
        verifier=verifier,
    )
    if verifier:
        print(f"the same outputs after each of: {', '.join(verifier.checked)}", file=sys.stderr)
    if output is None:
        print(str(module))
    elif output.suffix == ".mlir":
        write_whole(output, (str(module) + "\n").encode())
    else:
        save(to_artefact(module, target), output)


def run(options: argparse.Namespace) -> None:
    """Run a model, IR or a program on inputs; write and check its outputs, report its energy."""
    model: Path = options.model
    technology = load_technology(options.tech)
    _check_output(options.output, (".npz",))
    _check_output(options.report, (".json",))
    if options.check and model.suffix == ".camx":
        raise InputError("a compiled program has no golden integers", hint="check the model itself", place="--check")
    if options.report and options.level not in (None, "ap"):
        raise InputError(
            "counts come from the simulator", hint="leave --level out, or use --level ap", place="--report"
        )
    labels = _read_labels(options.labels) if options.labels else None
    expected = _read_arrays(options.expect) if options.expect else None
    given = _read_arrays(options.input)
    if model.suffix == ".camx":
        if options.level not in (None, "ap"):
            raise InputError(f"a compiled program runs at the ap level, not at {options.level}", place=str(model))
        artefact = load(model)
        target = artefact.target
        result = artefact.run(_named(given, artefact.inputs), options.engine)
    else:
        module, target = compile_file(model, options.target, pipeline=options.pipeline, stop_after=options.level)
        inputs = _named(given, input_specs(main_function(module)))
        interpreter = Interpreter(target, options.engine, keep=options.check)
        result = interpreter.run(module, inputs)
        if options.check:
            _check_tensors(options, interpreter, inputs)
    if options.output:
        stream = io.BytesIO()
        _write_npz(stream, result.outputs)
        write_whole(options.output, stream.getvalue())
    for name, value in result.outputs.items():
        print(f"output '{name}': {'x'.join(map(str, value.shape))} {value.dtype}")
    if labels is not None:
        _print_accuracy(result, labels)
    if expected is not None:
        _print_agreement(result, expected, str(options.expect))
    if result.segments:
        _print_report(result, target, technology, options)


def _check_tensors(options: argparse.Namespace, run: Interpreter, inputs: Mapping[str, Value]) -> None:
    """Compare the run's tensors with those of the network at the ternary level; raises MismatchError."""
    from cam_compiler.render import print_listing

    golden = Interpreter(keep=True)
    module, _ = compile_file(options.model, options.target, pipeline=options.pipeline, stop_after="ternary")
    result = golden.run(module, inputs)
    if problem := difference(result.outputs, run.result.outputs):
        raise MismatchError(f"the outputs are not the golden ones: {problem}")
    rows: list[tuple[str, str]] = []
    found = run.tensors()
    for key, value in golden.tensors().items():
        if key not in found:
            continue
        if problem := difference({key[0]: value}, {key[0]: found[key]}):
            raise MismatchError(f"a layer's integers are not the golden ones: {problem}")
        rows.append((key[0], f"{value.size:,} integers equal"))
    print_listing([*rows, ("outputs", f"{sum(value.size for value in result.outputs.values()):,} values equal")])


def verify(options: argparse.Namespace) -> None:
    """Run models, IR files and programs on the same inputs; the first difference is an error."""
    verifier = Verifier(_read_arrays(options.input) if options.input else None)
    for path in options.models:
        if path.suffix == ".camx":
            artefact = load(path)
            if verifier.inputs is None:
                raise InputError("name an .onnx or .mlir file first, or give --input", place=str(path))
            verifier.compare(artefact.run(_named(verifier.inputs, artefact.inputs)), path.name)
        else:
            module = read_module(path)
            if verifier.inputs is None:
                verifier.inputs = edge_inputs(module)
            specs = input_specs(main_function(module))
            verifier.compare(Interpreter().run(module, _named(verifier.inputs, specs)), path.name)
        print(f"{path.name}: {'sets the outputs' if len(verifier.checked) == 1 else 'the same outputs'}")


def opt(arguments: Sequence[str]) -> int:
    """xDSL's optimiser driver with the dialects and passes of camc."""
    from xdsl.xdsl_opt_main import xDSLOptMain

    try:
        tool = xDSLOptMain(description="camc opt: run passes on textual IR", args=arguments)
        tool.run()
    except ValueError as error:
        raise PipelineError(str(error), hint=f"passes of camc are {', '.join(PASSES)}") from error
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
    target = load_target(options.target or "default")
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
    check_code(code.instructions, target.columns, target.domains)
    write_whole(options.output, code.binary)


def disasm(options: argparse.Namespace) -> None:
    """Show the assembly of a binary program or of all segments of a compiled network."""
    path: Path = options.program
    if path.suffix == ".camx":
        parts = [part for step in load(path).steps if isinstance(step, Execute) for part in step.segments]
        text = "\n".join(f"; {layer}\n{AssemblyCode(binary).to_text()}" for layer, binary in parts)
    else:
        try:
            text = AssemblyCode(path.read_bytes()).to_text()
        except OSError as error:
            raise InputError(f"can't be read: {error.strerror}", place=str(path)) from error
    if options.output:
        write_whole(options.output, f"{text}\n".encode())
    else:
        print(text)


def targets(_: argparse.Namespace) -> None:
    """List the bundled targets."""
    from cam_compiler.render import print_listing

    print_listing([(name, load_target(name).description) for name in bundled_targets()])


def passes(_: argparse.Namespace) -> None:
    """List passes and named pipelines."""
    from cam_compiler.render import print_listing

    rows = [(name, (make().__doc__ or "").splitlines()[0]) for name, make in PASSES.items()]
    rows += [(f"pipeline {name}", ",".join(items)) for name, items in PIPELINES.items()]
    print_listing(rows)


def tech(_: argparse.Namespace) -> None:
    """List the bundled technologies."""
    from cam_compiler.render import print_listing

    print_listing([(name, load_technology(name).description) for name in bundled_technologies()])


def _check_output(path: Path | None, suffixes: Sequence[str]) -> None:
    """Refuse an output that can't be written before anything long is done."""
    if path is None:
        return
    if path.suffix not in suffixes:
        raise InputError(f"its name must end in {' or '.join(suffixes)}", place=str(path))
    if not path.parent.is_dir():
        raise InputError("its folder does not exist", place=str(path))


def _write_npz(stream: io.BytesIO, arrays: Mapping[str, Value]) -> None:
    """An .npz archive with any names, also such as `file`, which numpy's own writer refuses."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)


def _read_arrays(path: Path) -> dict[str, Value]:
    """The arrays of an .npz file by name, or of an .npy file under an empty name."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        return {name: loaded[name] for name in loaded.files}
    except FileNotFoundError as error:
        raise InputError("there is no such file", place=str(path)) from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"no .npy or .npz file: {error}", place=str(path)) from error


def _named(given: Mapping[str, Value], specs: Sequence[InputSpec]) -> dict[str, Value]:
    """Inputs by name; the array of an .npy file belongs to the only input."""
    if set(given) != {""}:
        return dict(given)
    if len(specs) != 1:
        names = ", ".join(f"'{spec.name}'" for spec in specs)
        raise InputError("the network has several inputs", hint=f"give an .npz file with {names}")
    return {specs[0].name: given[""]}


def _read_labels(path: Path) -> Value:
    labels = next(iter(_read_arrays(path).values()))
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise InputError(f"expected one class number a sample, found {labels.shape} {labels.dtype}", place=str(path))
    return labels


def _print_accuracy(result: Result, labels: Value) -> None:
    logits = next(iter(result.outputs.values()))
    if logits.ndim != 2 or len(logits) != len(labels):
        raise InputError(f"{len(labels)} labels don't fit an output of shape {logits.shape}")
    right = int((logits.argmax(axis=1) == labels).sum())
    print(f"accuracy: {right} of {len(labels)} ({right / len(labels):.2%})")


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
        if found.ndim == 2:
            same = int((found.argmax(axis=1) == value.argmax(axis=1)).sum())
            line += f", same class for {same} of {len(found)} samples"
        print(line)


def _print_report(result: Result, target: Target, technology: Technology, options: argparse.Namespace) -> None:
    from cam_compiler.render import print_report

    report = make_report(result, target, technology, ignore_instruction_fetch=options.ignore_instruction_fetch)
    print_report(report)
    if path := getattr(options, "report", None):
        write_whole(path, (json.dumps(report.to_json(), indent=1) + "\n").encode())

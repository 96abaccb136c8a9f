"""Names that anybody could give: they survive every level as they are, and nothing of them acts on a terminal."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_testing import Net

from cam_compiler.cli import main
from cam_compiler.files import npz_bytes, read_arrays
from cam_compiler.ir_text import MAX_DIGITS, parse_module
from cam_compiler.pipeline import make_context
from dialects.support.errors import IRError
from dialects.support.text import LONGEST, on_one_line, printable, shortened
from runtime.values import Value

NAMES = (
    "a\nset c200.0:4, #0",
    "\x1b[31mred\x07\x1b]0;title\x07",
    "layers[conv1]/mm [/x] [bold]",
    ":smile: 'quoted' \"twice\" \\ \\n }> %0 -->",
    "tab\there\r\x00\x7f\x9b1m",
    "caf\u00e9 \u65e5\u672c\u8a9e \U0001f600",
    "\u202eright to left\u2066\u2028",
    "",
)
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202e\u2066]")


def named_model() -> onnx.ModelProto:
    """A node for each name; the first ones name the input and the output, too."""
    net = Net(4)
    net.quant("x", 0.5)
    for name in NAMES:
        net.op("MatMul", net.last, net.weights(np.eye(4) - np.roll(np.eye(4), 1, axis=0), 1.0), name=name or "plain")
        net.quant(net.last, 0.5)
    model = net.model()
    renamed = {"x": NAMES[0], net.last: NAMES[5]}
    for node, name in zip((node for node in model.graph.node if node.op_type == "MatMul"), NAMES, strict=True):
        node.name = name
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [renamed.get(name, name) for name in names]
    model.graph.input[0].name, model.graph.output[0].name = NAMES[0], NAMES[5]
    return model


def test_names_survive_every_level_and_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    onnx.save(named_model(), "net.onnx")
    Path("x.npz").write_bytes(npz_bytes({NAMES[0]: np.eye(4, dtype=np.float32)}))
    assert main(["compile", "net.onnx", "-o", "net.camx", "--dump-ir", "dump", "--stats"]) == 0
    found: list[Value] = []
    for path in ("net.onnx", "net.camx", *sorted(map(str, Path("dump").iterdir()))):
        assert main(["run", path, "--input", "x.npz", "-o", "y.npz", "--no-trace"]) == 0
        outputs = read_arrays(Path("y.npz"))
        assert list(outputs) == [NAMES[5]]
        found.append(outputs[NAMES[5]])
    assert found[0].any()
    for outputs in found[1:]:
        np.testing.assert_array_equal(outputs, found[0])
    shown = [capsys.readouterr()]
    for path in sorted(Path("dump").iterdir()):
        assert main(["opt", str(path)]) == 0
        shown.append(capsys.readouterr())
        assert shown[-1].out == path.read_text()
    assert main(["run", "net.camx", "--input", "x.npz"]) == 0
    shown.append(capsys.readouterr())
    assert not HIDDEN.search("".join(out + err for out, err in shown))
    said = "".join(err for _, err in shown)
    assert on_one_line(NAMES[2]) in said
    assert "\\x1b[31mred" in said
    assert main(["disasm", "net.camx"]) == 0
    listing = capsys.readouterr().out
    assert "\nset c200.0:4, #0" not in listing
    assert "; a\\nset c200.0:4, #0" in listing
    assert sum(line.startswith(";") for line in listing.splitlines()) >= len(NAMES) - 1


def test_errors_show_names_on_the_line_of_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    model = named_model()
    model.graph.node[1].op_type = "No\nSuch\x1b[0m"
    model.graph.node[1].name = "x\ncamc: all is well"
    onnx.save(model, "net.onnx")
    assert main(["compile", "net.onnx"]) == 1
    err = capsys.readouterr().err
    assert not HIDDEN.search(err)
    assert sum(line.startswith("camc: ") for line in err.splitlines()) == 1


def test_text_is_shown_with_escapes() -> None:
    assert printable("a\x1b[1m\n\t\u202e\ud800") == "a\\x1b[1m\n\t\\u202e\\ud800"
    assert on_one_line("a\n\tb\r") == "a\\n\\tb\\r"
    assert shortened("x" * LONGEST) == "x" * LONGEST
    assert len(shortened("\n".join(["x" * 10 * LONGEST] * 2))) < 3 * LONGEST


BAD_TEXT = {
    "open string": ('builtin.module attributes {a = "' + "x" * 100_000, "closing string"),
    "string of escapes": ('builtin.module attributes {a = "' + "\\41" * 50_000 + "\\", "closing string"),
    "digits": ("builtin.module attributes {a = " + "9" * (MAX_DIGITS + 1), "digits"),
    "other digits": ("builtin.module attributes {a = \u00b2 : i64} {}", "digits 0 to 9"),
    "nested regions": ("builtin.module {" * 5000, "nested too deeply"),
    "nested attributes": ("builtin.module attributes {a = " + "[" * 5000, "nested too deeply"),
    "long line": ("builtin.module { " + "x" * 3_000_000 + " }", "..."),
    "bytes": ('builtin.module attributes {a = "\\C3"} { "no.such"() }', "no.such"),
}


@pytest.mark.parametrize("kind", BAD_TEXT)
def test_text_in_bad_faith_is_refused_in_no_time(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, expected = BAD_TEXT[kind]
    path = tmp_path / "bad.mlir"
    path.write_text(text)
    for command in ("opt", "compile"):
        assert main([command, str(path)]) == 1
        err = capsys.readouterr().err
        assert err.startswith("camc: error: ")
        assert expected in err
        assert len(err) < 3000


def test_a_parser_that_gives_up_is_an_error_of_the_text() -> None:
    with pytest.raises(IRError, match="nested too deeply"):
        parse_module("builtin.module {" * 5000, "text", make_context())

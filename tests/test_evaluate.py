"""`camc evaluate`: data sets of every form, exact preprocessing, the result, going on after a kill, errors."""

from __future__ import annotations

import gzip
import json
import struct
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cam_compiler.cli import main
from cam_compiler.commands import evaluate
from cam_compiler.compile import compile_file
from cam_compiler.evaluation.evaluation import Evaluation
from cam_compiler.evaluation.preprocess import affine, nearest
from cam_compiler.evaluation.scores import ranks
from cam_compiler.evaluation.state import Tally
from runtime.camx import save
from runtime.interpreter import network_of

BUNDLED = Path(__file__).parents[1] / "cam_compiler" / "bundled"
MODEL = BUNDLED / "digits_mlp_qdq.onnx"
TEST = np.load(BUNDLED / "digits_mlp_test.npz")
IMAGES, LABELS = TEST["image"][:40], TEST["label"][:40]
PIXELS = np.rint(IMAGES[:, 0] * 16).astype(np.uint8)
RIGHT = int((TEST["logits_exact"][:40].argmax(axis=1) == LABELS).sum())


def write_idx(path: Path, array: np.ndarray) -> None:
    types = {"u1": 8, "i4": 0x0C, "f4": 0x0D}
    code = types[f"{array.dtype.kind}{array.dtype.itemsize}"]
    data = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    data += array.astype(array.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("evaluate") / "net.camx"
    save(network_of(*compile_file(MODEL)), path)
    return str(path)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in a folder of its own, with the data in some forms."""
    monkeypatch.chdir(tmp_path)
    np.savez("d.npz", image=IMAGES, label=LABELS, logits=TEST["logits_exact"][:40])
    np.savez_compressed("two.npz", a=IMAGES, b=IMAGES, y=LABELS, z=LABELS)
    np.save("x.npy", PIXELS)
    np.save("y.npy", LABELS)
    write_idx(Path("x-idx3-ubyte"), PIXELS)
    write_idx(Path("x-idx3-ubyte.gz"), PIXELS)
    write_idx(Path("y-idx1-ubyte"), LABELS.astype(np.uint8))
    write_idx(Path("y-idx1.gz"), LABELS.astype(np.int32))


def result(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["evaluate", *arguments, "-o", "r.json", "-q"]) == 0, capsys.readouterr().err
    assert not Path("r.json.state").exists()
    return json.loads(Path("r.json").read_text())


FORMS = [
    ["d.npz"],
    ["two.npz", "--images", "b", "--labels", "y"],
    ["two.npz", "--images", "a", "--labels", "y.npy"],
    ["x.npy", "--labels", "y.npy", "--scale", "1/16"],
    ["x-idx3-ubyte", "--labels", "y-idx1-ubyte", "--scale", "0.0625"],
    ["x-idx3-ubyte.gz", "--labels", "y-idx1.gz", "--scale", "1/16", "--layout", "hw"],
]


@pytest.mark.parametrize("arguments", FORMS, ids=" ".join)
def test_forms_of_data(arguments: list[str], program: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = result(capsys, program, *arguments)
    assert (found["images"], found["top1"]) == (40, RIGHT)
    assert found["reference"] == "none"
    assert "top5" not in found
    assert found["report"]["samples"] == 40


def test_a_folder_of_images(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    image_module = pytest.importorskip("PIL.Image")
    for index, (pixels, label) in enumerate(zip(PIXELS, LABELS, strict=True)):
        folder = Path("images") / f"class {label}"
        folder.mkdir(parents=True, exist_ok=True)
        image_module.fromarray(pixels * 15).save(folder / f"{index}.png")
    Path("images/class 0/notes.txt").write_text("no image")
    found = result(capsys, program, "images", "--scale", "1/240")
    assert (found["images"], found["top1"]) == (40, RIGHT)
    # Twice the size and back again; a border that is cut off.
    for file in Path("images").rglob("*.png"):
        image = image_module.open(file).convert("RGB").resize((24, 24), image_module.Resampling.NEAREST)
        image.save(file)
    assert result(capsys, program, "images", "--scale", "1/240", "--resize", "8")["images"] == 40
    assert result(capsys, program, "images", "--scale", "1/240", "--resize", "8x9", "--crop", "8")["images"] == 40


def test_without_counts(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = result(capsys, program, "d.npz", "--no-trace")
    assert (found["top1"], found["report"]) == (RIGHT, None)


def test_agreement_and_batches(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime")
    found = result(capsys, str(MODEL), "d.npz", "--batch", "16", "--limit", "37")
    assert found["reference"] == f"onnxruntime on {MODEL}"
    assert (found["images"], found["same_class"]) == (37, 37)
    assert found["largest_difference"] < 1e-5
    assert (found["report"]["batch"], found["report"]["batches"]) == (16, 3)


def test_ranks_and_the_first_five() -> None:
    logits = np.array([[3, 1, 3, 2], [0, 0, 0, 0], [-1, 5, 4, 5]])
    found = [ranks(logits, np.full(3, label)).tolist() for label in range(4)]
    assert found == [[0, 0, 3], [3, 1, 0], [1, 2, 2], [2, 3, 1]]
    assert ranks(np.array([3, 1]), np.array([3, 2])).tolist() == [0, 1]


def test_it_goes_on_where_it_was_killed(
    program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result(capsys, program, "d.npz")
    whole = Path("r.json").read_bytes()
    shown = capsys.readouterr().out
    Path("r.json").unlink()
    monkeypatch.setattr(evaluate, "_MOST", 7)
    add, left = Evaluation.add, [2]

    def killed(self: Evaluation, tally: Tally, end: int) -> Tally:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return add(self, tally, end)

    monkeypatch.setattr(Evaluation, "add", killed)
    assert main(["evaluate", program, "d.npz", "-o", "r.json"]) == 130
    assert not Path("r.json").exists()
    assert json.loads(Path("r.json.state").read_text())["tally"]["samples"] == 14
    # Another limit is another evaluation.
    capsys.readouterr()
    assert main(["evaluate", program, "d.npz", "-o", "r.json", "--limit", "20"]) == 1
    assert "the state of another evaluation" in capsys.readouterr().err
    # So is one whose numbers were changed.
    kept = Path("r.json.state").read_text()
    Path("r.json.state").write_text(kept.replace('"samples": 14', '"samples": 21'))
    assert main(["evaluate", program, "d.npz", "-o", "r.json"]) == 1
    assert "or a damaged one" in capsys.readouterr().err
    Path("r.json.state").write_text(kept)
    left[0] = 99
    result(capsys, program, "d.npz")
    assert left[0] == 99 - 4
    assert Path("r.json").read_bytes() == whole
    first, _, rest = capsys.readouterr().out.partition("\n")
    assert first == "going on after 14 of 40 images (r.json.state)"
    assert rest == shown


def test_a_state_is_not_kept_where_the_result_goes(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", program, "d.npz", "-o", "r.json", "--resume", "r.json"]) == 1
    assert "--resume: the result goes there" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"evaluation": "x", "tally": {"segments": [1]}}'])
def test_damaged_states_are_refused(text: str, program: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("s").write_text(text)
    assert main(["evaluate", program, "d.npz", "--resume", "s"]) == 1
    assert "s: no state of an evaluation, or a damaged one\n  hint: delete it" in capsys.readouterr().err
    assert Path("s").read_text() == text


# Exactness.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["uint8", "int16", "float32", "float64"])
def test_preprocessing_rounds_once(kind: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, 200).astype(kind) if kind[0] in "ui" else rng.normal(size=200).astype(kind)
    for factor, offset in (
        (Fraction(1, 255), Fraction(0)),
        (Fraction(4, 229), Fraction(485, 229)),
        (Fraction(3), Fraction("0.1")),
    ):
        found = affine(values, factor, offset, dtype)
        for value, one in zip(values.tolist(), found, strict=True):
            exact = Fraction(value) * factor - offset
            gap = abs(Fraction(float(one)) - exact)
            for side in (-np.inf, np.inf):
                assert gap <= abs(Fraction(float(np.nextafter(one, type(one)(side)))) - exact)


def test_ties_go_to_the_even_float() -> None:
    step = Fraction(1, 1 << 23)
    assert nearest(1 + step / 2, "float32") == 1
    assert nearest(1 + 3 * step / 2, "float32") == float(1 + 2 * step)
    # Double precision would round this to the tie first, and that down.
    assert nearest(1 + step / 2 + Fraction(1, 1 << 80), "float32") == float(1 + step)
    ties = np.array([1 + 2**-24, 1 + 3 * 2**-24])
    assert affine(ties, Fraction(1), Fraction(0), "float32").tolist() == [1, 1 + 2**-22]


def test_mean_and_std_by_channel(capsys: pytest.CaptureFixture[str]) -> None:
    from cam_compiler.evaluation.preprocess import Preprocess
    from runtime.network import InputSpec

    images = np.arange(2 * 2 * 2 * 3, dtype=np.uint8).reshape(2, 2, 2, 3)
    prepare = Preprocess("hwc", Fraction(1, 4), (Fraction(1), Fraction(2), Fraction(3)), (Fraction(2),))
    found = prepare(images, InputSpec("x", (-1, 3, 2, 2), "float32"), 0)
    expected = (images.transpose(0, 3, 1, 2) / 4 - np.array([1, 2, 3]).reshape(3, 1, 1)) / 2
    assert found.dtype == np.float32
    assert np.array_equal(found, expected)


# Errors.

BAD = [
    (["no.npz"], ["no.npz: there is no such file"]),
    (["net.txt"], ["net.txt: not a data set", "hint: give an .npz"]),
    (["two.npz"], ["several arrays may be the images", "--images", "'a' (40x1x8x8 float32)"]),
    (["two.npz", "--images", "a"], ["several arrays may be the labels"]),
    (["two.npz", "--images", "c"], ["there is no array 'c'"]),
    (["none.npz"], ["no array fits as the images"]),
    (["cut.npz"], ["cut.npz: no .npz file, or a damaged one"]),
    (["rot.npz"], ["rot.npz"]),
    (["pickle.npz"], ["Python objects"]),
    (["nan.npz"], ["image 3: it holds values that are not finite"]),
    (["wild.npz"], ["image 5: its class is 10, the network has 10 classes"]),
    (["minus.npz"], ["image 2: its class is -1"]),
    (["x.npy"], ["give --labels FILE"]),
    (["x.npy", "--labels", "no.npy"], ["no.npy: there is no such file"]),
    (["x.npy", "--labels", "x.npy"], ["x.npy: expected one class number per image, found 40x8x8 uint8"]),
    (["x.npy", "--labels", "few.npy"], ["few.npy: 39 labels for 40 images"]),
    (["cut.npy", "--labels", "y.npy"], ["cut.npy: 1000 bytes, its header says 2688"]),
    (["cut-idx", "--labels", "y.npy"], ["cut-idx: 2000 bytes, its header says 2576", "truncated"]),
    (["cut-idx.gz", "--labels", "y.npy"], ["cut-idx.gz", "can't be read"]),
    (["large.npy", "--labels", "y.npy"], ["images are 9x9, the network takes 1x8x8"]),
    (["hwc.npy", "--labels", "y.npy"], ["images are 8x8x1, the network takes 1x8x8", "--layout hwc"]),
    (["empty.npy", "--labels", "y.npy"], ["expected images, found 0x8x8"]),
    (["x.npy", "--labels", "y.npy", "--layout", "chw"], ["aren't of layout chw"]),
    (["x.npy", "--labels", "y.npy", "--mean", "1,2"], ["--mean: 2 values for 1 channels"]),
    (["d.npz", "--resize", "8"], ["only images of a folder"]),
    (["d.npz", "--reference", "onnxruntime"], ["--reference: it has no ONNX model", "--reference-model"]),
    (["d.npz", "--output-name", "z"], ["there is no output 'z'"]),
    (["d.npz", "-o", "r.txt"], ["r.txt: its name must end in .json"]),
    (["d.npz", "--resume", "no/s"], ["no/s: its folder does not exist"]),
    (["d.npz", "--pipeline", "date24"], ["--pipeline: the program is compiled already"]),
    (["nothing"], ["nothing: it holds no images"]),
    (["unreadable"], ["bad.png: can't be read"]),
    (["sizes"], ["2.png: its size is 1x4x4, that of others 1x8x8", "--resize"]),
]


@pytest.fixture
def bad_files() -> None:
    """Files that are wrong in one way each."""
    Path("net.txt").write_text("no data")
    np.savez("none.npz", a=IMAGES[:, :, :3], y=LABELS)
    data = Path("d.npz").read_bytes()
    Path("cut.npz").write_bytes(data[:5000])
    np.savez_compressed("good.npz", image=IMAGES, label=LABELS)
    rotten = bytearray(Path("good.npz").read_bytes())
    rotten[300] ^= 0xFF
    Path("rot.npz").write_bytes(rotten)
    np.savez("pickle.npz", image=np.array([{}], dtype=object))
    np.savez("nan.npz", image=np.where(np.arange(40)[:, None, None, None] == 3, np.nan, IMAGES), label=LABELS)
    np.savez("wild.npz", image=IMAGES, label=np.where(np.arange(40) == 5, 10, LABELS))
    np.savez("minus.npz", image=IMAGES, label=np.where(np.arange(40) == 2, -1, LABELS.astype(np.int64)))
    np.save("few.npy", LABELS[:-1])
    np.save("large.npy", np.zeros((40, 9, 9), dtype=np.uint8))
    np.save("hwc.npy", np.zeros((40, 8, 8, 1), dtype=np.uint8))
    np.save("empty.npy", PIXELS[:0])
    Path("cut.npy").write_bytes(Path("x.npy").read_bytes()[:1000])
    Path("cut-idx").write_bytes(Path("x-idx3-ubyte").read_bytes()[:2000])
    Path("cut-idx.gz").write_bytes(Path("x-idx3-ubyte.gz").read_bytes()[:400])
    for name in ("nothing/a", "unreadable/a", "sizes/a"):
        Path(name).mkdir(parents=True)
    Path("nothing/a/x.txt").write_text("no image")
    Path("unreadable/a/bad.png").write_bytes(b"\x89PNG no image")


@pytest.mark.parametrize(("arguments", "pieces"), BAD, ids=lambda value: " ".join(value)[:50])
@pytest.mark.usefixtures("bad_files")
def test_errors_of_the_user(
    arguments: list[str], pieces: list[str], program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if Path(arguments[0]).is_dir():
        image_module = pytest.importorskip("PIL.Image")
        image_module.fromarray(PIXELS[0]).save("sizes/a/1.png")
        image_module.fromarray(PIXELS[0, :4, :4]).save("sizes/a/2.png")
    assert main(["evaluate", program, *arguments]) == 1
    err = capsys.readouterr().err
    assert err.startswith("camc: error: "), err
    for piece in pieces:
        assert piece in err
    assert not list(Path().glob("*.state"))


def test_images_without_pillow(
    program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("images/a").mkdir(parents=True)
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    assert main(["evaluate", program, "images"]) == 1
    assert 'hint: pip install "cam-compiler[images]"' in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", [["--scale", "x"], ["--scale", "1/0"], ["--std", "0"], ["--resize", "0"], ["--batch", "0"]]
)
def test_numbers_that_make_no_sense(option: list[str], program: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", program, "d.npz", *option])
    assert caught.value.code == 2
    assert f"argument {option[0]}: expected" in capsys.readouterr().err

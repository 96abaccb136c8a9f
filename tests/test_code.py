"""Binary and textual forms of AP code: what is written is read back; anything else is an error with its place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from placed_testing import random_placed

from dialects.ap.assembly import AssemblyCode
from dialects.machine.census import predict_shifts
from dialects.machine.check import check_binary
from dialects.machine.code import BYTES_PER_INSTRUCTION, WORDS, Fields, bundles, check_code, decode, encode
from dialects.machine.isa import OPCODES, ZERO, Cell, Instruction, Op, Operand, compared_width
from dialects.machine.stream import count_shorts, pack_stream, stream_bits, unpack_stream
from dialects.machine.target import Geometry
from dialects.rtm.placed import NAMES, VALUES, PlacedCode
from dialects.rtm.placed_text import read_text
from dialects.rtm.statements import Statement, assemble, disassemble
from dialects.support.errors import ProgramError, TextError

cells = st.builds(Cell, st.integers(0, 2047), st.integers(0, 255))
widths = st.integers(1, 62)
operands = st.one_of(
    st.just(ZERO),
    st.builds(Operand, st.integers(0, 2047), st.integers(0, 255), widths, st.booleans(), st.integers(0, 63)),
)
immediates = st.one_of(st.integers(-(1 << 31), (1 << 31) - 1), st.integers(-9, 9))


@st.composite
def instructions(draw: st.DrawFn) -> Instruction:
    """Any instruction that can be encoded, with the fields that its opcode uses; not necessarily one that can run."""
    op = draw(st.sampled_from(Op))
    roles = OPCODES[op].operands
    item = Instruction(op, Cell(0, 0), draw(widths), start=draw(st.integers(0, 63)), last=draw(st.booleans()))
    if {"D", "d", "r"} & set(roles):
        item = item._replace(dst=draw(cells))
    if "A" in roles:
        item = item._replace(a=draw(operands))
    if "a" in roles:
        item = item._replace(a=Operand(*draw(cells), 1))
    if "B" in roles:
        item = item._replace(b=draw(operands))
    if {"c", "e"} & set(roles):
        item = item._replace(carry=draw(cells))
    if "J" in roles:
        item = item._replace(carry=Cell(draw(st.integers(0, 2047)), draw(widths)))
    if "I" in roles:
        imm = draw(immediates)
        item = item._replace(imm=abs(imm) & 0xFFFF if op in (Op.IN, Op.OUT) else imm)
    if "D" not in roles:
        # The text states no width beside those of the sources, from which it follows.
        item = item._replace(a=item.a._replace(width=max(item.a.width, 1)))
        width = compared_width(item.a, item.b) if "B" in roles else item.a.width
        item = item._replace(width=width)
    return item


programs = st.lists(instructions(), max_size=12).map(
    lambda items: [*items[:-1], items[-1]._replace(last=True)] if items else items
)


@given(programs)
def test_binary_round_trip(items: list[Instruction]) -> None:
    binary = encode(items)
    assert len(binary) == BYTES_PER_INSTRUCTION * len(items)
    assert list(decode(binary)) == items
    assert encode(decode(binary)) == binary


@given(programs)
def test_text_round_trip(items: list[Instruction]) -> None:
    code = AssemblyCode.of(items)
    text = code.to_text()
    again = AssemblyCode.from_text(text)
    # A comment is not what plain lines have, so that the grammar reads them.
    assert AssemblyCode.from_text(f"; {len(items)} instructions\n{text}") == again
    assert again == code
    assert again.to_text() == text
    assert len(again) == len(items)


def test_text_of_nothing() -> None:
    for form in (AssemblyCode, PlacedCode):
        assert form.from_text(" \n ; nothing\n") == form.of([])
        assert form.of([]).to_text() == ""


@given(st.binary(max_size=200))
def test_random_bytes_are_a_program_or_an_error(data: bytes) -> None:
    try:
        items = decode(data)
        check_code(items, 256, 64)
    except ProgramError:
        return
    assert list(decode(encode(items))) == list(items)


@given(programs, st.data())
def test_damaged_bytes_are_a_program_or_an_error(items: list[Instruction], data: st.DataObject) -> None:
    binary = bytearray(encode(items))
    if binary:
        at = data.draw(st.integers(0, len(binary) - 1))
        binary[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        check_code(decode(bytes(binary)), 256, 64)
    except ProgramError as error:
        assert error.message
        with pytest.raises(ProgramError):
            check_binary(bytes(binary), 256, 64)
    else:
        check_binary(bytes(binary), 256, 64)


@given(programs, st.integers(1, 15))
def test_truncated_bytes_are_an_error(items: list[Instruction], missing: int) -> None:
    binary = encode([*items, Instruction(Op.SET, Cell(0, 0), 1)])
    with pytest.raises(ProgramError, match="multiple of 16 bytes"):
        decode(binary[:-missing])


def test_a_bit_loop_that_is_never_ended() -> None:
    items = [Instruction(Op.SET, Cell(0, 0), 1), Instruction(Op.SET, Cell(1, 0), 1, last=False)]
    with pytest.raises(ProgramError, match="never ended"):
        list(bundles(items))
    with pytest.raises(ProgramError, match="never ended"):
        check_code(items, 8, 8)
    with pytest.raises(ProgramError, match="never ended"):
        AssemblyCode.of(items).to_text()


@pytest.mark.parametrize(
    "item",
    [
        Instruction(Op.SET, Cell(2048, 0), 1),
        Instruction(Op.SET, Cell(0, 256), 1),
        Instruction(Op.SET, Cell(0, 0), 64),
        Instruction(Op.SET, Cell(0, -1), 1),
        Instruction(Op.SET, Cell(0, 0), 1, start=64),
        Instruction(Op.SET, Cell(0, 0), 1, imm=1 << 31),
        Instruction(Op.CMP_GE, Cell(0, 0), 40, Operand(1, 0, 40), imm=-(1 << 31) - 1),
    ],
)
def test_fields_that_do_not_fit_are_refused(item: Instruction) -> None:
    with pytest.raises(ProgramError, match=r"instruction 0: .* can't be encoded"):
        encode([item])


# (text, the piece of it that is wrong, part of the message)
BAD_ASSEMBLY = [
    ("set c0.0:1, #0\nmul c0.0:1", "mul", "unknown instruction"),
    ("set c0.0:1", "set", "set takes"),
    ("set c0.0:1, c1.0:1", "set", "set takes"),
    ("copy c0.0:1, #1", "copy", "copy takes"),
    ("copy c0.0:0, c1.0:1", "c0.0:0", "has no bits"),
    ("copy c0.0:1<<2, c1.0:1", "copy", "plain place"),
    ("loop { set c0.0:1, #0", None, "unexpected the end"),
    ("loop { }", "}", "unexpected '}'"),
    ("set c0.0:1, #0 }", "}", "unexpected '}'"),
    ("set c0.0:1, #x", "#", "unexpected"),
    ("set c0.0:1 #0", "#0", "unexpected"),
]


@pytest.mark.parametrize(("text", "piece", "message"), BAD_ASSEMBLY)
def test_malformed_assembly(text: str, piece: str | None, message: str) -> None:
    with pytest.raises(TextError, match=message) as caught:
        AssemblyCode.from_text(text)
    assert caught.value.offset == (len(text) if piece is None else text.index(piece))


BAD_PLACED = [
    ("%0 : c0[0] = 1\n%1 : c0[4:4] = 2", "c0[4:4]", "spans no domain"),
    ("%0 : c1[0:2] = 1\n%1 : c1[0:2] = %0 += %0 carry c3[0:2]", "c3[0:2]", "single domain"),
    ("%0 : c1[0] = 2\n%1 : c1[0] = %0[1:1] set 1 if %0", "[1:1]", "spans no bit"),
    ("%0 : c1[0] == 2", "= 2", "unexpected"),
    ("%0 : c1[0] = %0", "%0 :", "%0 has no place"),
    ("out 3 = %2", "3", "%2 has no place"),
    ("%0 : c1[0] = 1\n%0 : c2[0] = 1", "%0 : c2", "%0 has a place already"),
    ("%0 : c1[0:2] = 1\n%1 : c1[0:2] = zext %0", "%1", "%1 extends %0 and is not wider"),
    ("%0 : c1[0:70] = 1", "%0", "at most 63 bits, found 70"),
    ("%0 : c4000[0] = 1", "%0", "beyond the largest array"),
    ("%16777216 : c4[0] = 1", "%16777216", "below 16777216"),
    ("%0 : c1[0] = 99999999999", "99999999999", "too large"),
    ("%0 : c1[0] = 3000000000", "%0", "doesn't fit into 32 bits"),
    ("%0 : c1[0] = 1\n%1 : c2[0] = %0<<64", "%1", "at most 63, found 64"),
    ("%0 : c1[0] = zero >= 1", "%0", "no bits to work on"),
    ("%0 : c1[0] = 1\n%1 : c2[0] live", "live", "unexpected 'live'"),
    ("loop { %0 : c1[0] = 2", None, "unexpected the end"),
]


@pytest.mark.parametrize(("text", "piece", "message"), BAD_PLACED)
def test_malformed_placed_code(text: str, piece: str | None, message: str) -> None:
    with pytest.raises(TextError, match=message) as caught:
        PlacedCode.from_text(text)
    assert caught.value.offset == (len(text) if piece is None else text.index(piece))


@given(st.text(alphabet="%c0123.:s,#-@<{}=+[] \nadlopstierux;", max_size=40))
def test_any_text_is_code_or_an_error_with_its_place(text: str) -> None:
    for form in (AssemblyCode, PlacedCode):
        try:
            form.from_text(text)
        except TextError as error:
            assert 0 <= error.offset <= len(text)
        except ProgramError:
            pass


fields = st.tuples(
    *(
        st.integers(0, int(most))
        for most in (0, 1, 63, 63, 2047, 255, 2047, 255, 1, 1, *(2047, 255, 63, 1, 63) * 2, (1 << 31) - 1)
    )
)


@given(st.lists(st.tuples(st.sampled_from(Op), fields, st.booleans()), max_size=9))
def test_packing_of_fields_is_the_inverse_of_unpacking(drawn: list[tuple[Op, tuple[int, ...], bool]]) -> None:
    rows: list[list[int]] = []
    for op, (_, *numbers), negative in drawn:
        immediate = "I" in OPCODES[op].operands
        imm = (-numbers[-1] - 1 if negative else numbers[-1]) if immediate else 0
        rows.append([op, *numbers[:14], *([0] * 5 if immediate else numbers[14:19]), imm])
    table = Fields(np.array(rows, dtype=np.int64).reshape(-1, len(Fields.NAMES)))
    assert not len(table.unfit())
    binary = table.pack()
    assert Fields.unpack(binary).table.tolist() == rows
    assert Fields.unpack(binary).pack() == binary
    assert Fields.of(table.instructions()).table.tolist() == rows
    for form in (WORDS, NAMES, VALUES):
        numbers = form.unpack(bytes(range(form.row_bytes)) * 3)
        assert form.pack(numbers) == form.pack(numbers.ravel()) == bytes(range(form.row_bytes)) * 3
        parts = [form.pack(part) for part in (numbers, numbers[:0], numbers[:1])]
        joined, bounds = form.joined(parts)
        assert [form.pack(part) for part in np.split(joined, bounds[1:-1])] == parts


@pytest.mark.parametrize("seed", range(12))
def test_disassembling_is_the_inverse_of_assembling(seed: int) -> None:
    rng = np.random.default_rng(seed)
    geometry = Geometry(8, int(rng.integers(4, 8)), int(rng.integers(8, 24)))
    for code in random_placed(rng, geometry, 4, 8):
        rows = code.rows
        assert (rows[:, Statement._fields.index("column")] >= 0).all()
        binary, names, values = assemble(rows)
        assert PlacedCode.of_arrays(binary, names, values) == code
        assert (disassemble(binary, names, values) == rows).all()
        assert [row._replace(offset=0) for row in read_text(code.to_text())] == [
            Statement(*row) for row in rows.tolist()
        ]


def _additions(seed: int) -> list[Instruction]:
    """Additions on accumulators that stand still, with now and then something that breaks their sequence."""
    rng = np.random.default_rng(seed)
    items: list[Instruction] = []
    column = 100
    for _ in range(300):
        op = Op(int(rng.choice([Op.ADD_IP, Op.SUB_IP, Op.ADD_ADD, Op.SUB_SUB, Op.ADD_SUB])))
        column = 100 if rng.random() < 0.02 else min(column + 4 * int(rng.choice([0, 0, 0, 1, 3, 4])), 1000)
        a = Operand(column, int(rng.random() < 0.02), 4, bool(rng.random() < 0.02))
        dst, carry = Cell(int(rng.integers(6)) * 13, 5), Cell(2000, 0)
        across, two = bool(rng.random() < 0.98), op not in (Op.ADD_IP, Op.SUB_IP)
        b = a._replace(column=int(rng.choice([80, 84, 1200])) + int(rng.random() < 0.02)) if two else ZERO
        items.append(Instruction(op, dst, 13, a, b, carry=carry, across=across, lean=True))
        if rng.random() < 0.02:
            items.append(Instruction(Op.SET, dst, 13, across=True))
    return items


@pytest.mark.parametrize("seed", range(4))
def test_streams_hold_the_code_in_as_many_bits_as_are_counted(seed: int) -> None:
    items = _additions(seed) if seed else [item for item in _additions(1) if item.op is Op.ADD_IP][:1] * 200
    binary = encode(items)
    stream, (shorts, words) = pack_stream(binary), count_shorts(items)
    assert unpack_stream(stream) == binary
    assert 8 * len(stream) == stream_bits(len(items), shorts, words)
    assert (shorts == 200 - 4) if not seed else 100 < shorts < len(items)
    census = predict_shifts([binary], 2048, 32)
    assert [census.short_instructions.tolist(), census.short_words.tolist()] == [[shorts], [words]]
    for length in (1, 15, len(stream) - 1):
        with pytest.raises(ProgramError):
            unpack_stream(stream[:length])

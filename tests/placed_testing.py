"""Random placed programs that the verifier accepts, and what they mean by the names of their values alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dialects.machine.check import check_binary
from dialects.machine.target import Geometry
from dialects.rtm.placed import PlacedCode
from dialects.rtm.placed_check import check_placed
from dialects.rtm.placed_text import read_text
from dialects.rtm.statements import Form, Statement, live
from dialects.support.errors import ProgramError, TextError
from dialects.support.tensors import IntArray


def checked(segments: Sequence[PlacedCode], geometry: Geometry) -> None:
    """Raise ProgramError where placed code is illegal, as the verifier of its program does."""
    check_placed([f"s{index}" for index in range(len(segments))], segments, geometry.columns, geometry.domains)
    for code in segments:
        check_binary(code.binary, geometry.columns, geometry.domains)


class PlacedWriter:
    """Grows a legal placed program by statements drawn at random; what the checks refuse is drawn again."""

    def __init__(self, rng: np.random.Generator, geometry: Geometry, inputs: int, outputs: int):
        self.rng, self.geometry, self.inputs, self.outputs = rng, geometry, inputs, outputs
        self.done: list[PlacedCode] = []
        self.segment: list[Statement] = []
        self.across = float(rng.choice([0, 0, 0.5, 1]))
        """how often values lie across columns"""
        self.places: dict[int, tuple[int, int, int, int, int]] = {}
        self.alive: list[int] = []
        self.next = 0

    def codes(self, last: Sequence[Statement] = ()) -> list[PlacedCode]:
        """The segments, with statements added to the last one."""
        statements = [*self.segment, *last]
        made = {item.result for item in statements}
        read = {value for item in statements for value in (item.old, item.a, item.b)} - made - {-1}
        return [*self.done, PlacedCode.of([*live((value, *self.places[value]) for value in read), *statements])]

    def end_segment(self) -> None:
        """What comes stands in another segment."""
        self.done = self.codes()
        self.segment = []

    def grow(self, members: int) -> None:
        """Try to add a bit loop, member by member."""
        group: list[Statement] = []
        for _ in range(4 * members):
            before = dict(self.places), list(self.alive), self.next
            tried = [*(item._replace(last=0) for item in group), self._statement(members > 1)]
            if self._legal(tried):
                group = tried
            else:
                self.places, self.alive, self.next = before
            if len(group) == members:
                break
        self.segment += group

    def store(self) -> None:
        """Send what is still alive to the output."""
        count = 0
        for value in self.alive:
            statement = Statement(Form.OUT, a=value, imm=count)
            if count < self.outputs and self._legal([statement]):
                self.segment.append(statement)
                count += 1

    def _legal(self, group: list[Statement]) -> bool:
        try:
            checked(self.codes(group), self.geometry)
        except (ProgramError, TextError):
            return False
        return True

    def _sign(self, form: Form) -> int:
        return -1 if form is not Form.IN and self.rng.random() < 0.5 else 1

    def _pick(self) -> int:
        return int(self.rng.choice(self.alive)) if self.alive and self.rng.random() < 0.95 else -1

    def _statement(self, in_loop: bool) -> Statement:
        rng, columns, domains = self.rng, self.geometry.columns, self.geometry.domains
        form = Form(int(rng.integers(Form.IN, Form.OUT)))
        old = self._pick() if form in IN_PLACE else -1
        a = self._pick() if form in (*SHIFTED, Form.CMP_GE, Form.CMP_GEV, Form.SET_IF) else -1
        b = self._pick() if form in (Form.ADD, Form.SUB, Form.CMP_GEV, Form.COPY_IF) else -1
        across = int(rng.random() < self.across)
        width = int(rng.integers(1, min(8, domains, columns if across else domains) + 1))
        last = (columns - (width if across else 1), domains - (1 if across else width))
        place = (*(int(rng.integers(most + 1)) for most in last), width, int(rng.integers(2)), across)
        if form in (Form.CMP_GE, Form.CMP_GEV):
            place = (*place[:2], 1, 0, 0)
        if old >= 0:
            more = int(rng.integers(1, 4)) if form in (Form.ZEXT, Form.SEXT) else -int(rng.random() < 0.2)
            column, domain, before, signed, across = self.places[old]
            place = (column, domain, max(before + more, 1), signed if form is Form.SEXT else place[3], across)
            self.alive.remove(old)
        self.places[self.next] = place
        self.alive.append(self.next)
        self.next += 1
        return Statement(
            form,
            self.next - 1,
            *place,
            old,
            a,
            int(rng.choice([0, 0, 1, 2, 9])) if form in SHIFTED and a >= 0 else 0,
            b,
            int(rng.choice([0, 0, 1, 3])) if form in (Form.ADD, Form.SUB) and b >= 0 else 0,
            0 if form is Form.ZEXT else int(rng.integers(self.inputs if form is Form.IN else 9)) * self._sign(form),
            int(rng.integers(columns)),
            int(rng.integers(domains)),
            *((0, -1) if form is not Form.SET_IF or rng.random() < 0.5 else (int(rng.integers(width)), width)),
            int(rng.integers(3)) if in_loop and rng.random() < 0.5 else 0,
        )


IN_PLACE = (Form.ZEXT, Form.SEXT, Form.ADD_IP, Form.SUB_IP, Form.SET_IF, Form.COPY_IF)
SHIFTED = (Form.COPY, Form.ADD, Form.SUB, Form.ADD_IP, Form.SUB_IP, Form.COPY_IF)


def random_placed(rng: np.random.Generator, geometry: Geometry, inputs: int, outputs: int) -> list[PlacedCode]:
    """A legal placed program of one to three segments with bit loops."""
    writer = PlacedWriter(rng, geometry, inputs, outputs)
    for _ in range(int(rng.integers(1, 4))):
        for _ in range(8):
            writer.grow(int(rng.choice([1, 1, 2, 3, 4])) if writer.next > 4 else 1)
        writer.end_segment()
    writer.store()
    return [code for code in writer.codes() if len(code)]


def named_outputs(segments: Sequence[PlacedCode], inputs: IntArray, outputs: int) -> IntArray:
    """What placed code means by the names alone, wherever its values lie."""
    results = np.zeros((outputs, inputs.shape[1]), dtype=np.int64)
    values: dict[int, IntArray] = {-1: np.zeros(inputs.shape[1], dtype=np.int64)}

    def cut(value: IntArray, width: int, signed: bool) -> IntArray:
        bits = value & ((1 << width) - 1)
        return np.where(signed & (bits >> width - 1), bits - (1 << width), bits)

    for statement in (item for code in segments for item in read_text(code.to_text())):
        form, width = Form(statement.form), statement.width
        if form is Form.LIVE:
            continue
        old, a, b = values[statement.old], values[statement.a] << statement.a_shift, values[statement.b]
        match form:
            case Form.OUT:
                results[statement.imm] = a
                continue
            case Form.IN:
                value = inputs[statement.imm]
            case Form.SET:
                value = np.full_like(a, statement.imm)
            case Form.ZEXT | Form.SEXT:
                value = old
            case Form.COPY:
                value = a
            case Form.ADD | Form.SUB:
                value = a + (b << statement.b_shift) * (1 if form is Form.ADD else -1)
            case Form.ADD_IP | Form.SUB_IP:
                value = old + a * (1 if form is Form.ADD_IP else -1)
            case Form.CMP_GE:
                value = (a >= statement.imm).astype(np.int64)
            case Form.CMP_GEV:
                value = (a >= b).astype(np.int64)
            case Form.SET_IF:
                high = width if statement.high < 0 else statement.high
                mask = (1 << high) - (1 << statement.low)
                value = np.where(a == 1, (old & ~mask) | (statement.imm << statement.low & mask), old)
            case Form.COPY_IF:
                value = np.where(b == 1, a, old)
        values[statement.result] = cut(value, width, bool(statement.signed))
    return results

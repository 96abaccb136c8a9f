"""Changes of inputs that keep some of their structure: bytes, text by tokens, JSON and ONNX by their fields."""

from __future__ import annotations

import copy
import io
import json
import random
import re
import zipfile
from collections.abc import Sequence
from typing import Any

from onnx import ModelProto

NUMBERS = (
    *(0, 1, -1, 2, 3, 7, 8, 63, 64, 65, 255, 256, 1 << 15, 1 << 31, (1 << 31) - 1, 1 << 32, 1 << 62),
    *(1 << 63, -(1 << 63)),
)
TEXTS = (
    *(
        "",
        "x",
        "\n",
        "\x1b[31m",
        "\u202e",
        "\u00e9",
        "[/x]",
        "a" * 300,
        "nan",
        "inf",
        "-",
        "0",
        "1e400",
        "}>",
        '"',
        "\\",
    ),
    *("%0", "\0"),
)
_TOKEN = re.compile(r"-?\d+(?:\.\d+)?|\w+|\s+|.", re.DOTALL)


def of_bytes(random_: random.Random, data: bytes) -> bytes:
    """A few bytes changed, cut, repeated or put in."""
    changed = bytearray(data)
    for _ in range(random_.choice((1, 1, 2, 4, 8))):
        at = random_.randrange(len(changed) + 1)
        end = min(len(changed), at + random_.choice((1, 2, 4, 16, 64)))
        match random_.randrange(5):
            case 0 if at < len(changed):
                changed[at] ^= 1 << random_.randrange(8)
            case 1:
                del changed[at:end]
            case 2:
                changed[at:at] = changed[at:end] * random_.choice((1, 2, 50))
            case 3:
                changed[at:end] = random_.choice((b"\0", b"\xff")) * (end - at)
            case _:
                changed[at:at] = random_.randbytes(random_.choice((1, 4, 8)))
    return bytes(changed)


def of_text(random_: random.Random, text: str) -> str:
    """A few tokens changed: numbers to others, words and lines cut, repeated, exchanged or put in."""
    tokens = _TOKEN.findall(text)
    for _ in range(random_.choice((1, 1, 1, 2, 3, 6))):
        if not tokens:
            break
        at = random_.randrange(len(tokens))
        end = min(len(tokens), at + random_.choice((1, 1, 2, 5, 30)))
        match random_.randrange(6):
            case 0 | 1:
                numbers = [index for index, token in enumerate(tokens) if token.lstrip("-").isdecimal()]
                if numbers:
                    tokens[random_.choice(numbers)] = number_text(random_)
            case 2:
                del tokens[at:end]
            case 3:
                tokens[at:at] = tokens[at:end] * random_.choice((1, 1, 2, 30))
            case 4:
                other = random_.randrange(len(tokens))
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case _:
                tokens[at:at] = [random_.choice((*TEXTS, *"{}[]()<>=:,;#%@+-.", number_text(random_)))]
    return "".join(tokens)


def number_text(random_: random.Random) -> str:
    """A number that may be too large."""
    return "9" * 5000 if random_.random() < 0.02 else str(random_.choice(NUMBERS))


def of_json(random_: random.Random, value: Any) -> Any:
    """One field anywhere in plain data changed, removed or repeated."""
    changed = copy.deepcopy(value)
    holders: list[tuple[Any, Any]] = []

    def walk(item: Any) -> None:
        pairs = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
        for key, inner in pairs:
            holders.append((item, key))
            walk(inner)

    walk(changed)
    for _ in range(random_.choice((1, 1, 2))):
        holder, key = random_.choice(holders)
        if key not in holder and not isinstance(holder, list):
            continue
        choices: tuple[Any, ...] = (
            random_.choice(NUMBERS),
            1 << 70,
            -0.5,
            float("nan"),
            None,
            True,
            random_.choice(TEXTS),
            [],
            {},
            [[]],
            ["x"],
        )
        try:
            match random_.randrange(4):
                case 0:
                    del holder[key]
                case 1 if isinstance(holder, list):
                    holder.append(holder[key])
                case _:
                    holder[key] = random_.choice(choices)
        except IndexError:
            continue
    return changed


def of_archive(random_: random.Random, data: bytes) -> bytes:
    """A zip file with its manifest changed as JSON, or another member by bytes; sometimes by its own bytes."""
    if random_.random() < 0.15:
        return of_bytes(random_, data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = "manifest.json" if "manifest.json" in members and random_.random() < 0.7 else random_.choice(list(members))
    if name.endswith(".json"):
        members[name] = json.dumps(of_json(random_, json.loads(members[name]))).encode()
    else:
        members[name] = of_bytes(random_, members[name])
    if random_.random() < 0.05:
        del members[random_.choice(list(members))]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return stream.getvalue()


def of_code(random_: random.Random, data: bytes) -> bytes:
    """Instructions of 16 bytes: one removed, repeated or exchanged, a field of one changed, or any bytes."""
    words = [data[at : at + 16] for at in range(0, len(data), 16)]
    for _ in range(random_.choice((1, 1, 2, 4))):
        if not words or random_.random() < 0.05:
            return of_bytes(random_, b"".join(words))
        at, other = random_.randrange(len(words)), random_.randrange(len(words))
        match random_.randrange(8):
            case 0:
                del words[at]
            case 1:
                words.insert(other, words[at])
            case 2:
                words[at], words[other] = words[other], words[at]
            case 3:
                # A part of another instruction fits more often than any bytes.
                cut = random_.randrange(16)
                words[at] = words[at][:cut] + words[other][cut:]
            case _:
                changed = bytearray(words[at].ljust(16, b"\0"))
                place = random_.randrange(16)
                changed[place] = random_.choice((changed[place] ^ 1 << random_.randrange(8), random_.randrange(256)))
                words[at] = bytes(changed)
    return b"".join(words)


FLOATS = (0.0, -1.0, 0.3, 1e30, 1e-40, float("nan"), float("inf"))


def of_model(random_: random.Random, data: bytes, floats: Sequence[float] = FLOATS) -> bytes:
    """An ONNX file with a few of its fields changed, or parts of it removed, repeated or exchanged."""
    model = ModelProto()
    model.ParseFromString(data)
    for _ in range(random_.choice((1, 1, 1, 2, 3))):
        _change_message(random_, model, floats)
    return model.SerializeToString()


_OPERATORS = (
    *("Add", "Sub", "Mul", "Div", "MatMul", "Gemm", "Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "Relu"),
    *("Clip", "Concat", "Split", "Slice", "Gather", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Pad"),
    *("Resize", "Tile", "Expand", "Pow", "Sqrt", "Exp", "Sigmoid", "Softmax", "ArgMax", "TopK", "ReduceSum", "Cast"),
    *("QuantizeLinear", "DequantizeLinear", "Quant", "BipolarQuant", "Trunc", "MultiThreshold", "Identity", "Where"),
    *("Range", "OneHot", "ConstantOfShape", "Einsum", "If", "Loop", "Shape", "Constant", "Min", "Max", "Neg", "Abs"),
)


def _change_message(random_: random.Random, message: Any, floats: Sequence[float]) -> None:
    """Goes down to a field of a message and changes it."""
    fields = [field for field, _ in message.ListFields()]
    if not fields:
        return
    field = random_.choice(fields)
    value = getattr(message, field.name)
    if hasattr(value, "append"):
        _change_list(random_, field, value, floats)
    elif field.type == field.TYPE_MESSAGE:
        _change_message(random_, value, floats)
    elif random_.random() < 0.1:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, _other(random_, field, value, floats))


def _change_list(random_: random.Random, field: Any, items: Any, floats: Sequence[float]) -> None:
    at = random_.randrange(len(items))
    choice = random_.random()
    if choice < 0.08:
        del items[at]
    elif choice < 0.16:
        items.append(items[at])
    elif choice < 0.2 and len(items) > 1:
        moved = [items[at]]
        del items[at]
        items.extend(moved)
    elif field.type == field.TYPE_MESSAGE:
        _change_message(random_, items[at], floats)
    elif field.name in ("input", "output") and random_.random() < 0.6:
        items[at] = random_.choice(list(items))
    else:
        items[at] = _other(random_, field, items[at], floats)


def _other(random_: random.Random, field: Any, value: Any, floats: Sequence[float]) -> Any:
    if field.name == "op_type":
        return random_.choice(_OPERATORS)
    if field.type == field.TYPE_STRING:
        return random_.choice(TEXTS)
    if field.type == field.TYPE_BYTES:
        return of_bytes(random_, value)
    if field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE):
        return random_.choice((*floats, value))
    if field.type == field.TYPE_ENUM:
        return random_.choice([item.number for item in field.enum_type.values])
    if field.type == field.TYPE_INT32:
        return random_.choice([number for number in NUMBERS if -(1 << 31) <= number < 1 << 31])
    if field.type == field.TYPE_UINT64:
        return random_.choice([number for number in NUMBERS if number >= 0])
    return random_.choice([number for number in NUMBERS if number < 1 << 63])

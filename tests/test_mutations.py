"""The checks check: a single wrong weight, threshold, place or operand in the IR of a level is noticed."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import pytest
from camc_testing import SMALL_NETWORK, parse_module
from xdsl.utils.exceptions import ParseError, VerifyException

from cam_compiler.pipeline import parse_passes, run_passes
from cam_compiler.validation import Validator
from dialects.machine.target import Target
from dialects.support.errors import CamcError, MismatchError

STAGES = ("convert-ternary-to-apv,apv-share{effort=0}", "convert-apv-to-rtm", "convert-rtm-to-ap")


@cache
def level(name: str) -> str:
    """The text of the small network at a level."""
    module = parse_module(SMALL_NETWORK)
    count = ("ternary", "apv", "rtm", "ap").index(name)
    run_passes(module, parse_passes(",".join(STAGES[:count])) if count else (), Target("test", columns=32, domains=16))
    return str(module)


@cache
def network() -> Validator:
    """Compares with the network, and with all levels of it, which compute the same."""
    validator = Validator()
    validator.check(parse_module(SMALL_NETWORK), "network")
    for name in ("apv", "rtm", "ap"):
        validator.check(parse_module(level(name)), name)
    return validator


def noticed(mutant: str) -> bool:
    """Whether the text is refused by parser or verifier, or computes something else than the network."""
    try:
        network().check(parse_module(mutant), "mutant")
    except (CamcError, ParseError, VerifyException):
        return True
    return False


def replaced(text: str, pattern: str, new: str) -> list[str]:
    """The text with each match of the pattern replaced in turn."""
    found = list(re.finditer(pattern, text, re.MULTILINE))
    assert found, pattern
    return [text[: match.start()] + match.expand(new) + text[match.end() :] for match in found]


def check(name: str, mutants: list[str]) -> None:
    survivors = [mutant for mutant in mutants if not noticed(mutant)]
    assert not survivors, f"{name}: {len(survivors)} of {len(mutants)} mutants are not noticed:\n{survivors[0]}"


def flipped_weights() -> list[str]:
    """The ternary text with each weight replaced by the two other trits; the result's range allows for all."""
    text = level("ternary").replace("int<-2, 4>", "int<-9, 9>")
    block = re.search(r"weights <\{\n([-+0\s]+)\}>", text)
    assert block
    mutants: list[str] = []
    for at in range(block.start(1), block.end(1)):
        if text[at] in "+-0":
            mutants += [text[:at] + trit + text[at + 1 :] for trit in "+-0" if trit != text[at]]
    return mutants


def test_a_flipped_weight() -> None:
    mutants = flipped_weights()
    assert len(mutants) == 12
    check("ternary", mutants)


@pytest.mark.parametrize("name", ["ternary", "apv"])
def test_a_moved_threshold(name: str) -> None:
    text = level(name)
    up = replaced(text, r"^(\s+)up -1 1$", r"\1up -1 2") + replaced(text, r"^(\s+)up -1 1$", r"\1up 0 1")
    down = replaced(text, r"^(\s+)down 1 3$", r"\1down 1 4") + replaced(text, r"^(\s+)down 1 3$", r"\1down 2 3")
    turned = replaced(text, r"^(\s+)down 1 3$", r"\1up 1 3")
    check(name, [*up, *down, *turned])


def test_a_moved_threshold_of_the_quantiser() -> None:
    text = level("ternary")
    check("ternary", replaced(text, r"up 0\.25 0\.75", "up 0.25000003 0.75") + replaced(text, r"up 0\.25", "up -0.25"))


def test_a_flipped_sign_in_an_adder_graph() -> None:
    text = level("apv")
    check("apv", replaced(text, r"(%\d+) - (%\d+) :", r"\1 + \2 :"))
    check("apv", replaced(text, r"(%\d+) \+ (%\d+) :", r"\1 - \2 :"))


def test_another_input_or_output_of_an_adder_graph() -> None:
    text = level("apv")
    check("apv", replaced(text, r"= %0 - ", "= %1 - "))
    check("apv", replaced(text, r"out %(\d)", r"out -%\1"))
    check("apv", replaced(text, r"out %3\n(\s*)out %4", r"out %4\n\1out %3"))


def verdict(text: str) -> str:
    """What becomes of placed code: "refused" by parser or verifier, or the "same" or "other" results."""
    try:
        network().check(parse_module(text), "mutant")
    except MismatchError:
        return "other"
    except (CamcError, ParseError, VerifyException):
        return "refused"
    return "same"


def test_a_moved_place_is_refused_or_as_good() -> None:
    """As values have names, a value in another place means the same, or the place isn't free."""
    text = level("rtm")
    moved = [mutant for column in (0, 2, 31) for mutant in replaced(text, r"(: c)\d+(?=\[)", rf"\g<1>{column}")]
    chains = [text.replace(f" c{one}[", f" c{two}[") for one in (0, 1, 2, 30, 31) for two in (0, 1, 2, 7, 30, 31)]
    verdicts = Counter(verdict(mutant) for mutant in {*moved, *chains} - {text})
    assert verdicts["other"] == 0
    assert verdicts["refused"] > verdicts["same"] > 0


def test_a_changed_width() -> None:
    text = level("rtm")
    check("rtm", replaced(text, r"(: c\d+\[0:)[23]\]", r"\g<1>1]"))
    wider = Counter(verdict(mutant) for mutant in replaced(text, r"(: c\d+\[0:)[23]\]", r"\g<1>5]"))
    assert wider["other"] == 0
    assert wider["refused"] > wider["same"] > 0


def test_another_value_in_placed_code() -> None:
    """Every reader of a value, reading each other value instead."""
    text = level("rtm")
    check("rtm", replaced(text, r"(?<== in )\d", "1")[:1])
    mutants: list[str] = []
    for match in re.finditer(r"(?<=[=>] )%(\d+)|(?<=if )%(\d+)|(?<=[-+]= )%(\d+)", text):
        mutants += [text[: match.start()] + f"%{other}" + text[match.end() :] for other in range(17)]
    check("rtm", [mutant for mutant in mutants if mutant != text])


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            " : c3[0:2]s",
            " : c2[0:2]s",
            r"segment act, line 3: .*%7 at c2\[0:2\]s overwrites %6 at c2\[0:3\] of .*line 7 of segment fc",
        ),
        ("%2 : c0[0:3]", "%2 : c0[1:4]", r"line 3: .*%2 at c0\[1:4\] is made in place of %0 at c0\[0:2\]"),
        ("-= %1 carry c2[0]", "-= %1 carry c1[9]", r"line 4: .*%1 at c1\[0:2\] and the carry at c1\[9\]"),
        ("%3 >= 1", "%2 >= 1", r"%2 has no place"),
    ],
)
def test_a_refusal_names_the_line_and_the_values(before: str, after: str, message: str) -> None:
    text = level("rtm")
    assert before in text
    with pytest.raises((VerifyException, ParseError), match=message):
        parse_module(text.replace(before, after))


def numbers_moved(text: str, pattern: str) -> list[str]:
    """Each column number that the pattern finds in the code, replaced by a column that nothing else uses."""
    return replaced(text, pattern, "c20")


def test_a_moved_column_in_assembly() -> None:
    text = level("ap")
    check("ap", [mutant for mutant in numbers_moved(text, r"\bc\d+(?=\.)") if not harmless(text, mutant)])


def harmless(text: str, mutant: str) -> bool:
    """A carry in another column computes the same; so does clearing the bits of a place that are zero by chance."""
    before, after = (set(enumerate(part.splitlines())) for part in (text, mutant))
    ((_, line),) = before - after
    ((_, moved),) = after - before
    is_carry = re.sub(r", c\d+\.0$", "", line) == re.sub(r", c\d+\.0$", "", moved)
    is_clear = re.fullmatch(r"\s*set c\d+\.\d+:\d+, #0", line) is not None
    return (is_carry and re.search(r"\b(add|sub|ext)", line) is not None) or is_clear


def test_a_changed_immediate_or_operation() -> None:
    text = level("ap")
    check("ap", replaced(text, r"\badd\.ip", "sub.ip"))
    check("ap", replaced(text, r"\bsub(\.ip)? ", r"add\1 "))
    for number in (0, 1, 3):
        check("ap", replaced(text, rf"(set\.if .*)#{number}$", rf"\g<1>#{number ^ 1}"))
        check("ap", replaced(text, rf"(cmp\.ge .*)#{number}$", rf"\g<1>#{number - 1}") if number != 0 else [])
    check("ap", replaced(text, r"out (\S+), #0", r"out \1, #1"))


def test_a_missing_instruction() -> None:
    lines = level("ap").splitlines()
    code = [n for n, line in enumerate(lines) if re.match(r"\s+(in|out|add|sub|copy|cmp|set\.if)\b", line)]
    check("ap", ["\n".join(lines[:n] + lines[n + 1 :]) for n in code])

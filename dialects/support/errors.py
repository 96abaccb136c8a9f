"""The one family of errors that users see: what is wrong, where, and what would be accepted."""

from __future__ import annotations

from typing import NamedTuple


class CamcError(Exception):
    """An error in what the user gave us.

    `place` names a node, a line or a file; `hint` says what would be accepted.
    """

    def __init__(self, message: str, *, place: str | None = None, hint: str | None = None):
        super().__init__(message)
        self.message = message
        self.place = place
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}" if self.place else self.message
        return f"{text}\n  hint: {self.hint}" if self.hint else text


class UsageError(CamcError):
    """What the command line asks for can't be done, or contradicts itself."""


class FileError(CamcError):
    """A file can't be read or written, whatever it holds or would hold."""

    @classmethod
    def of(cls, error: OSError, deed: str, place: str) -> FileError:
        """What the system said: `deed` is `read` or `written`."""
        return cls(f"can't be {deed}: {error.strerror or error}", place=place)


class IRError(CamcError):
    """Textual IR is malformed, or a module breaks a rule of its dialects."""


class ModelError(CamcError):
    """The ONNX model can't be read or holds something that can't be compiled."""


class InputError(CamcError):
    """The data given to a program doesn't fit its inputs."""


class TargetError(CamcError):
    """A target or technology file is malformed or impossible."""


class Needs(NamedTuple):
    """Columns and domains of an array."""

    columns: int
    domains: int


class CapacityError(CamcError):
    """The program doesn't fit the target's arrays.

    `needs` is an array that wouldn't be too small for the same reason, or, of a whole network, one that would do.
    """

    def __init__(self, message: str, *, place: str | None = None, hint: str | None = None, needs: Needs | None = None):
        super().__init__(message, place=place, hint=hint)
        self.needs = needs


class PipelineError(CamcError):
    """A pass pipeline is malformed, or a pass can't do what it was asked to."""


class ProgramError(CamcError):
    """An AP program is malformed or breaks a rule of the machine."""


class MismatchError(CamcError):
    """Two levels of the compiler disagree about what the network computes."""


class CrashError(CamcError):
    """A pass failed in a way that is no error of the user: a bug of camc, or of a pass from elsewhere."""


class TextError(Exception):
    """A malformed line inside a packed attribute or an assembly file.

    `offset` is its distance in characters from the start of the text.
    """

    def __init__(self, message: str, offset: int):
        super().__init__(message)
        self.message = message
        self.offset = offset

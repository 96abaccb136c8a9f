"""What adder graphs compute, from their tables alone (native; sources in dialects/native)."""

import numpy as np
from numpy.typing import NDArray

def coefficients(inputs: int, nodes: NDArray[np.int32], outputs: NDArray[np.int32]) -> NDArray[np.int64]:
    """The matrix (outputs, inputs) that tables of nodes and outputs compute, modulo 2**64."""

def bounds(ranges: NDArray[np.int64], nodes: NDArray[np.int32]) -> NDArray[np.int64]:
    """The lowest and the highest number (values, 2) of every value, inputs first, by interval arithmetic.

    ValueError where a node uses a value that isn't computed before it, OverflowError where one may exceed 62 bits.
    """

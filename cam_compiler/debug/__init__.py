"""Tools that take the compiler apart: what computes something else, a smaller case of it, and where it comes from."""

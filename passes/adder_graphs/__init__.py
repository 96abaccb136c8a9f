"""Adder graphs of few additions for constant matrices: algorithms over plain data, without IR."""

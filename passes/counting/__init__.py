"""Algorithms of the counting mapping, which know nothing of the IR."""

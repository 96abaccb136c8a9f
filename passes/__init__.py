"""Passes of camc, in the order of the default pipeline: ternary -> apv -> rtm -> ap. One pass per file.

Algorithms (adder graphs, placement) are functions over plain data in files of their own and know nothing of the IR.
"""

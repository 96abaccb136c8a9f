"""Dialects of camc and the descriptions they share: number ranges, the machine, its instruction table.

In the order in which a network passes through them: `ternary`, `apv`, `rtm`, `ap`.
Modules are imported on first use, so that `camc --help` stays quick.
"""

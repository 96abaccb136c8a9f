"""The rewrite patterns of `ternary-canonicalize`: views, work in front of views, and operations that are one."""

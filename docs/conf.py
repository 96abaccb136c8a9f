"""Sphinx: `pip install ".[docs]" && sphinx-build -W docs build/docs`."""

project = "camc"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "camc"
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]  # MLIR has no lexer there

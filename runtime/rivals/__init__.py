"""Rival machines on the same network: crossbars with converters, analog clusters, digital in-memory processors.

Each module is a model with its parameters in a TOML file beside it, every number with its source and status;
docs/rivals.md says what each model holds and how it is validated.
"""

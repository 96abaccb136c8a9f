"""Runs what the compiler makes: interpreters of every level, the array simulator, energy and latency."""

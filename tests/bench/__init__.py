"""Measures Hearth against ansible-core, and against itself as an estate grows; see docs/benchmarks.md."""

"""The addresses under /api/v1."""

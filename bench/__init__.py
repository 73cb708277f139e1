"""Benchmarks: each prints what it measured and keeps it in `RESULTS.md` beside this file."""

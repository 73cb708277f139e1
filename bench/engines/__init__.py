"""The same job in several engines, one after the other: `python -m bench.engines`."""

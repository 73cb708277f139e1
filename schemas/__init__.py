"""The contracts: events, topics, rows, migrations, rate card and API models.

First in the flow: everything imports this package, it imports nothing of ours and does no I/O
beyond reading the data files that lie beside it.
"""

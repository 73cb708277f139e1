"""The query API: routes, one SQL file per question, and pure functions that shape the rows.

The last station of the flow: it reads what the workers wrote and writes nothing. Imports `schemas`
and nothing else of ours.
"""

"""The query API: routes, one SQL file per question, and pure functions that shape the rows.

The last station of the flow: it reads what the workers wrote, and writes the audit log and what
users decide about their data. Imports `schemas` and nothing else of ours.
"""

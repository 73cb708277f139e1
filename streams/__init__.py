"""The stream processor: usage events in, rollups out.

`streams.core` holds the rules as functions from values to values; the modules beside it are the
shell that owns Kafka, ClickHouse, the clock and the environment.
"""

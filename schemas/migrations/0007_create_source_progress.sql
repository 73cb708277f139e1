-- How far each source has been folded and written: the last row of every flush, and once a second
-- when idle. as_of: every record that the log received before it is in the tables.
-- ENGINE: ReplacingMergeTree(next_offset): a worker that lost its partition writes a smaller offset
--   and changes nothing; of equal offsets the newer row wins (only as_of differs).
-- ORDER BY source: read whole, a row per partition. No PARTITION BY or TTL: it stays a few rows.
CREATE TABLE IF NOT EXISTS source_progress
(
    source        UInt32,
    next_offset   UInt64,
    end_offset    UInt64,
    as_of         DateTime64(3, 'UTC'),
    topic_id      String,
    partitions    UInt16,
    updated_at    DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(next_offset)
ORDER BY source

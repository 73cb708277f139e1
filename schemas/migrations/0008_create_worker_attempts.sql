-- How often a worker has begun at a position without getting past it; three mean that /readyz names
-- the partition and offset, so that an operator can quarantine the record.
-- ENGINE: ReplacingMergeTree(updated_at): the newest word on a source counts.
-- ORDER BY source: read whole. No PARTITION BY or TTL: it stays a few rows.
CREATE TABLE IF NOT EXISTS worker_attempts
(
    source      UInt32,
    next_offset UInt64,
    attempts    UInt32,
    error       String,
    updated_at  DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY source

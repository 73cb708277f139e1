-- source_progress: how far each source is in the tables.
-- Grain: one row per source that has begun, of any log epoch, unordered.
-- Parameters: none.
-- Units: offsets of Kafka; as_of_ms, updated_at_ms: epoch milliseconds; every record that the log
--   received before as_of is in the tables; partitions: how many sources the epoch has; erasures is a
--   text that changes whenever an erasure goes on.
SELECT
    source,
    next_offset,
    end_offset,
    partitions,
    toUnixTimestamp64Milli(as_of) AS as_of_ms,
    toUnixTimestamp64Milli(updated_at) AS updated_at_ms,
    (SELECT concat(toString(max(at)), ' ', toString(count())) FROM erasures) AS erasures
FROM source_progress FINAL

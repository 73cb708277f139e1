-- known_sources: every source of the log, of any epoch, that rows may carry.
-- Grain: one row per source.
-- Parameters: none.
-- Units: a source is an epoch of the log and a partition.
SELECT DISTINCT source
FROM source_progress
ORDER BY source

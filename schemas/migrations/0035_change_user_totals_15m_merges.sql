-- A month of user_totals_15m becomes one part once nothing has been written to it for a day, for the same
-- reasons as one of the usage log (migration 30).
-- ENGINE, ORDER BY, PARTITION BY, TTL: as they are. on_partition_only: never a month that is written to.
ALTER TABLE user_totals_15m MODIFY SETTING min_age_to_force_merge_seconds = 86400,
    min_age_to_force_merge_on_partition_only = 1

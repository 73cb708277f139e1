-- A month of the usage log becomes one part once nothing has been written to it for a day. FINAL has
-- nothing to merge in one part, and a user's rows lie in one place: half of the work for an answer
-- about the past (measured, decision 25). A late receipt makes it two parts for another quiet day.
-- ENGINE, ORDER BY, PARTITION BY, TTL: as they are. on_partition_only: never a month that is written to.
ALTER TABLE usage_log MODIFY SETTING min_age_to_force_merge_seconds = 86400,
    min_age_to_force_merge_on_partition_only = 1

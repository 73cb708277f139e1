-- Merges and statistics as those of usage_log (migration 47).
-- ENGINE, ORDER BY, PARTITION BY, TTL: as they are.
ALTER TABLE system_usage_1d MODIFY SETTING merge_selector_base = 6,
    merge_selector_enable_heuristic_to_remove_small_parts_at_right = 0, auto_statistics_types = ''

-- Merges of the parts that a live worker writes, a few rows each. ClickHouse counts every part as 5 MB
-- when it looks for parts of about the same size, so one of a megabyte was merged with five of a few rows each;
-- and then it left the smallest ones out again, so that it was one: nearly every insert wrote the megabyte
-- anew (record 35). base: six others to one, not five; the heuristic that leaves out is not used.
-- auto_statistics_types: columns' statistics were a tenth of an insert, and no query was faster by them.
-- ENGINE, ORDER BY, PARTITION BY, TTL: as they are.
ALTER TABLE usage_log MODIFY SETTING merge_selector_base = 6,
    merge_selector_enable_heuristic_to_remove_small_parts_at_right = 0, auto_statistics_types = ''

-- What migration 28 gave the table, given to the parts that it has: a month that is over is never
-- written again by itself. It is a small table (3 MB for a million messages).
-- ENGINE, ORDER BY, PARTITION BY, TTL: as they are.
OPTIMIZE TABLE user_usage_1d FINAL

-- The totals of the cells that lie in the table already (as migration 39).
-- ENGINE, ORDER BY, PARTITION BY, TTL: as they are.
ALTER TABLE user_usage_1d MATERIALIZE COLUMN good, MATERIALIZE COLUMN bad, MATERIALIZE COLUMN cost_micros

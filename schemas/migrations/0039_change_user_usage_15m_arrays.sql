-- The arrays of the cells that lie in the table already, written beside them: until it is done, in the
-- background, they are computed whenever they are read. Only the new columns are written.
-- ENGINE, ORDER BY, PARTITION BY, TTL: as they are.
ALTER TABLE user_usage_15m MATERIALIZE COLUMN totals, MATERIALIZE COLUMN statuses

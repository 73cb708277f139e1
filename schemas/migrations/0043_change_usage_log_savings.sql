-- The savings of the messages that lie in the table already (as migration 39).
-- ENGINE, ORDER BY, PARTITION BY, TTL: as they are.
ALTER TABLE usage_log MATERIALIZE COLUMN savings

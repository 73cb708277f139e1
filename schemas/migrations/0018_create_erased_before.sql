-- Before which position everything of a user is erased, by source: what is not to be shown. A view of the
-- table erasures, so that no question has to know how its steps follow one another.
-- ENGINE, ORDER BY, PARTITION BY, TTL: a view has none.
CREATE VIEW IF NOT EXISTS erased_before AS
SELECT user_id, source, argMax(position, revision) AS position
FROM erasures
GROUP BY user_id, source

-- user_stamps: how far users' totals have come; they are unchanged while these are.
-- Grain: one row per user and source that has cells of the user.
-- Parameters:
--   users                         whose
-- Units: version is the position of the last event that changed any of the user's cells.
SELECT user_id, source, max(version) AS version
FROM user_usage_15m
WHERE user_id IN {users:Array(UInt64)}
GROUP BY user_id, source
ORDER BY user_id, source

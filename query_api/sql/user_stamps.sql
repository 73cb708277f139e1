-- user_stamps: how far users' totals have come; they are unchanged while these are.
-- Grain: one row per user and source that has cells of the user, unordered.
-- Parameters:
--   users                         whose
-- Units: newest is the position of the last event that changed any of the user's cells; every event
--   that changes one of his cells changes the cell of its day.
SELECT user_id, source, max(version) AS newest
FROM user_usage_1d
WHERE user_id IN {users:Array(UInt64)}
GROUP BY user_id, source
-- One thread: it reads little.
SETTINGS max_threads = 1

-- changed_users: whose totals events from some positions on have changed.
-- Grain: one row per user and source, unordered.
-- Parameters:
--   sources, positions            parallel arrays: the sources that moved, and from where on
--   least                         the least of the positions, for the index of versions
--   page_rows                     how many rows at most
-- Units: newest is the position of the last event that changed any of the user's cells; every event
--   that changes one of his cells changes the cell of its day; oldest: epoch seconds of the first day
--   that was changed.
SELECT user_id, source, max(version) AS newest, toUnixTimestamp(min(bucket)) AS oldest
FROM user_usage_1d
WHERE version >= {least:UInt64}
  -- Of a source that did not move nothing is later than the largest number.
  AND version >= transform(source, {sources:Array(UInt32)}, {positions:Array(UInt64)}, 18446744073709551615)
GROUP BY user_id, source
LIMIT {page_rows:UInt32}
-- One thread: it reads little, several times a second.
SETTINGS max_threads = 1

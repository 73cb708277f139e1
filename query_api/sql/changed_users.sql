-- changed_users: whose totals events from some positions on have changed.
-- Grain: one row per cell of a day that was changed, unordered: a user may have several.
-- Parameters:
--   sources, positions            parallel arrays: the sources that moved, and from where on
--   least                         the least of the positions, for the index of versions
--   page_rows                     how many rows at most
-- Units: day = epoch seconds of the day's start; every event that changes one of a user's cells changes
--   the cell of its day.
SELECT user_id, toUnixTimestamp(bucket) AS day
FROM user_usage_1d
WHERE version >= {least:UInt64}
  -- Of a source that did not move nothing is later than the largest number.
  AND version >= transform(source, {sources:Array(UInt32)}, {positions:Array(UInt64)}, 18446744073709551615)
LIMIT {page_rows:UInt32}
-- One thread: it reads little, several times a second. Nothing is grouped, which takes a quarter of its time.
SETTINGS max_threads = 1

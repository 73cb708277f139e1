-- user_slots: some users' totals over time, fine enough for every local hour, day and week.
-- Grain: one row per user, slot of UTC time and direction that has cells, unordered.
-- Parameters:
--   users, or user                whose; a single one is compared, which is quicker
--   erased_before                 by user and source: the position before which all of the user's is
--                                 erased; asked where there is any
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   width                         width of a slot in seconds, a multiple of 900
--   fine_days                     UTC days, counted since 1970, whose slots have 900 seconds
-- Units: owner, where there are several; time = epoch seconds of the slot's start, a multiple of its width;
--   totals: messages, segments, body_length in characters; good, bad: settled messages by current status;
--   canceled ones; cost in micro-USD.
SELECT
    user_id AS owner, -- owner
    if(toDate(bucket) IN {fine_days:Array(UInt16)},
       bucket, toStartOfInterval(bucket, toIntervalSecond({width:UInt32}))) AS time,
    direction,
    sumForEach(cell.totals) AS totals
FROM user_usage_15m AS cell FINAL
-- Columns of the sorting key only, so that FINAL sees all rows of a cell or none.
PREWHERE user_id IN {users:Array(UInt64)} -- owner
-- one: PREWHERE user_id = {user:UInt64}
  AND bucket >= {start:UInt32} AND bucket < {end:UInt32}
WHERE version >= {erased_before:Map(UInt64, Map(UInt32, UInt64))}[user_id][source] -- erased
GROUP BY time, direction
    , owner -- owner
-- One thread: several queries of an answer run at the same time, and each reads little. All conditions at once, and
-- blocks as they come: a user's rows lie together, so hardly one is read in vain.
SETTINGS max_threads = 1, enable_multiple_prewhere_read_steps = 0, preferred_block_size_bytes = 0

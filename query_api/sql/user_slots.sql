-- user_slots: some users' totals over time, fine enough for every local hour, day and week.
-- Grain: one row per user, slot of UTC time and direction that has cells, unordered.
-- Parameters:
--   users                         whose
--   erased_before                 by user and source: the position before which all of the user's is
--                                 erased
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   width                         width of a slot in seconds, a multiple of 900
--   fine_days                     UTC days, counted since 1970, whose slots have 900 seconds
-- Units: every column is a whole number, so that an answer is one array. time = epoch seconds of the
--   slot's start, a multiple of its width; is_outbound: 0 or 1; counts of messages by current status
--   (good, bad: settled; the others are in flight); body_length in characters; cost in micro-USD.
SELECT
    user_id AS owner,
    toUnixTimestamp(bucket) - toUnixTimestamp(bucket) % if(
        has({fine_days:Array(UInt32)}, intDiv(toUnixTimestamp(bucket), 86400)), 900, {width:UInt32}
    ) AS time,
    direction = 'outbound' AS is_outbound,
    sum(cell.messages) AS messages,
    sum(cell.segments) AS segments,
    sum(cell.body_length) AS body_length,
    sum(status_delivered + status_received + status_read) AS good,
    sum(status_failed + status_undelivered) AS bad,
    sum(status_canceled) AS canceled,
    sum(base_micros + carrier_fee_micros + failed_fee_micros) AS cost_micros
FROM user_usage_15m AS cell FINAL
-- Columns of the sorting key only, so that FINAL sees all rows of a cell or none.
PREWHERE user_id IN {users:Array(UInt64)}
  AND bucket >= toDateTime({start:UInt32}, 'UTC') AND bucket < toDateTime({end:UInt32}, 'UTC')
WHERE (empty({erased_before:Map(UInt64, Map(UInt32, UInt64))})
       OR version >= {erased_before:Map(UInt64, Map(UInt32, UInt64))}[user_id][source])
GROUP BY owner, time, is_outbound
-- One thread: several queries of an answer run at the same time, and each reads little.
SETTINGS max_threads = 1

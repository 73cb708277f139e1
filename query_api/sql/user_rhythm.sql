-- user_rhythm: when in the week one user's messages occur.
-- Grain: one row per local weekday and hour that has messages.
-- Parameters:
--   user_id                       whose
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   clock_starts, clock_offsets   stretches of constant UTC offset in the range: where each begins
--                                 (epoch seconds, the first is start), seconds to add to UTC
-- Units: weekday 0 (Monday) to 6, hour 0 to 23, messages.
WITH
    roundDown(toUnixTimestamp(bucket), {clock_starts:Array(UInt32)}) AS stretch,
    toInt64(toUnixTimestamp(bucket)) + transform(stretch, {clock_starts:Array(UInt32)},
                                                 {clock_offsets:Array(Int32)}, 0) AS local
SELECT
    -- 1970-01-01 was a Thursday.
    toUInt8((intDiv(local, 86400) + 3) % 7) AS weekday,
    toUInt8(intDiv(local, 3600) % 24) AS hour,
    sum(messages) AS messages
FROM user_usage_15m FINAL
WHERE user_id = {user_id:UInt64}
  AND bucket >= toDateTime({start:UInt32}, 'UTC') AND bucket < toDateTime({end:UInt32}, 'UTC')
GROUP BY weekday, hour
HAVING messages != 0
ORDER BY weekday, hour

-- user_hourly_cost: what each local hour, or quarter of an hour, cost one user.
-- Grain: one row per local slot that has cells, in order of time.
-- Parameters:
--   user_id                       whose
--   erased_before                 by source: the position before which all of the user's is erased
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   clock_starts, clock_offsets   stretches of constant UTC offset: where each begins (epoch seconds,
--                                 the first at or before start), seconds to add to UTC
--   width                         width of a slot in local seconds: 900 or 3600
-- Units: slot = epoch seconds of its start, cut where a stretch begins; cost in micro-USD.
WITH
    roundDown(toUnixTimestamp(bucket), {clock_starts:Array(UInt32)}) AS stretch,
    toInt64(toUnixTimestamp(bucket)) + transform(stretch, {clock_starts:Array(UInt32)},
                                                 {clock_offsets:Array(Int32)}, 0) AS local
SELECT
    greatest(toUnixTimestamp(bucket) - local % {width:UInt32}, stretch) AS slot,
    sum(base_micros + carrier_fee_micros + failed_fee_micros) AS cost_micros
FROM user_usage_15m FINAL
WHERE user_id = {user_id:UInt64} AND version >= {erased_before:Map(UInt32, UInt64)}[source]
  AND bucket >= toDateTime({start:UInt32}, 'UTC') AND bucket < toDateTime({end:UInt32}, 'UTC')
GROUP BY slot
ORDER BY slot

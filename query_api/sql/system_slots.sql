-- system_slots: the whole system's totals over time, fine enough for every local hour, day and week.
-- Grain: one row per slot of UTC time and direction that has cells, unordered.
-- Parameters:
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   width                         width of a slot in seconds, a multiple of 900
--   fine_days                     UTC days, counted since 1970, whose slots have 900 seconds
-- Units: time = epoch seconds of the slot's start, a multiple of its width; totals as in
--   `user_slots`.
SELECT
    if(toDate(bucket) IN {fine_days:Array(UInt16)},
       bucket, toStartOfInterval(bucket, toIntervalSecond({width:UInt32}))) AS time,
    direction,
    [
        sum(messages), sum(segments), sum(body_length),
        sum(status_delivered + status_received + status_read), sum(status_failed + status_undelivered),
        sum(status_canceled), sum(base_micros + carrier_fee_micros + failed_fee_micros)
    ] AS totals
FROM system_totals_15m FINAL
WHERE bucket >= {start:UInt32} AND bucket < {end:UInt32}
GROUP BY time, direction
-- One thread: several queries of an answer run at the same time, and each reads little.
SETTINGS max_threads = 1

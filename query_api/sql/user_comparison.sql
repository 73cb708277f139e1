-- user_comparison: known users side by side, one page of them, and those who cost most.
-- Grain: one row per user of the page or among those who cost most, of those with at least one message,
--   by place, then by spender.
-- Parameters:
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   days_start, days_end          the whole UTC days inside the range, answered by the daily table;
--                                 both equal end where there are none
--   order_by                      messages, segments, cost_usd or success_rate (none counts as -1)
--   sign                          1 for the largest first, -1 for the smallest first
--   is_first                      1 for the first page, else the page begins behind the row of
--   after_key, after_user         the last row's sort_key and user_id
--   page_rows                     how many rows the page has at most
--   top_rows                      how many of those who cost most
-- Units: counts; cost in micro-USD; good and bad are settled messages; users: how many have at least one
--   message; place on the page, by falling sort_key, equal ones by rising user_id, and spender: place
--   among those who cost most; from 1, 0 for not in it.
WITH
    {is_first:UInt8} = 1
        OR sort_key < {after_key:Float64}
        OR (sort_key = {after_key:Float64} AND user_id > {after_user:UInt64}) AS is_behind,
    row_number() OVER (PARTITION BY is_behind ORDER BY sort_key DESC, user_id) AS behind,
    row_number() OVER (ORDER BY cost_micros DESC, user_id) AS costly
SELECT
    user_id, messages, segments, good, bad, cost_micros, sort_key,
    count() OVER () AS users,
    if(is_behind AND behind <= {page_rows:UInt32}, behind, 0) AS place,
    if(costly <= {top_rows:UInt32}, costly, 0) AS spender
FROM
(
    SELECT
        user_id,
        sum(usage.messages) AS messages,
        sum(usage.segments) AS segments,
        sum(usage.good) AS good,
        sum(usage.bad) AS bad,
        sum(usage.cost_micros) AS cost_micros,
        -- Whole numbers below 2^53 are exact as Float64.
        {sign:Int8} * multiIf(
            {order_by:String} = 'segments', toFloat64(segments),
            {order_by:String} = 'cost_usd', toFloat64(cost_micros),
            {order_by:String} = 'success_rate', if(good + bad > 0, good / (good + bad), -1.),
            toFloat64(messages)) AS sort_key
    FROM
    (
        SELECT user_id, source, version, messages, segments, good, bad, cost_micros
        FROM user_usage_1d FINAL
        WHERE bucket >= toDateTime({days_start:UInt32}, 'UTC')
          AND bucket < toDateTime({days_end:UInt32}, 'UTC')
        UNION ALL
        SELECT user_id, source, version, messages, segments, good, bad, cost_micros
        FROM user_totals_15m FINAL
        WHERE (bucket >= toDateTime({start:UInt32}, 'UTC')
               AND bucket < toDateTime({days_start:UInt32}, 'UTC'))
           OR (bucket >= toDateTime({days_end:UInt32}, 'UTC')
               AND bucket < toDateTime({end:UInt32}, 'UTC'))
    ) AS usage
    LEFT ANY JOIN erased_before USING (user_id, source) -- erased
    WHERE version >= position -- erased
    GROUP BY user_id
    HAVING messages > 0
)
QUALIFY place > 0 OR spender > 0
ORDER BY place, spender
-- The other side is small: the algorithm for large ones takes a sixth more. Nearly every row is wanted, so all
-- columns are read at once, in blocks as they come: a tenth less.
SETTINGS join_algorithm = 'hash', enable_multiple_prewhere_read_steps = 0, preferred_block_size_bytes = 0

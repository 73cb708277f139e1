-- user_total: how many messages one user had, and what they cost.
-- Grain: exactly one row.
-- Parameters:
--   user_id                       whose
--   erased_before                 by source: the position before which all of the user's is erased
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   days_start, days_end          the whole UTC days inside the range, answered by the daily table;
--                                 both equal end where there are none
-- Units: messages; cost in micro-USD.
SELECT
    sum(cell_messages) AS messages,
    sum(cell_micros) AS cost_micros
FROM
(
    SELECT messages AS cell_messages,
           base_micros + carrier_fee_micros + failed_fee_micros AS cell_micros
    FROM user_usage_1d FINAL
    WHERE user_id = {user_id:UInt64} AND version >= {erased_before:Map(UInt32, UInt64)}[source]
      AND bucket >= toDateTime({days_start:UInt32}, 'UTC')
      AND bucket < toDateTime({days_end:UInt32}, 'UTC')
    UNION ALL
    SELECT messages AS cell_messages,
           base_micros + carrier_fee_micros + failed_fee_micros AS cell_micros
    FROM user_usage_15m FINAL
    WHERE user_id = {user_id:UInt64} AND version >= {erased_before:Map(UInt32, UInt64)}[source]
      AND ((bucket >= toDateTime({start:UInt32}, 'UTC')
            AND bucket < toDateTime({days_start:UInt32}, 'UTC'))
           OR (bucket >= toDateTime({days_end:UInt32}, 'UTC')
               AND bucket < toDateTime({end:UInt32}, 'UTC')))
)

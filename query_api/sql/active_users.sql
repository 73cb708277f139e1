-- active_users: how many known users have at least one message.
-- Grain: exactly one row.
-- Parameters:
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   days_start, days_end          the whole UTC days inside the range, answered by the daily table;
--                                 both equal end where there are none
-- Units: users. User 0 (not resolved, or without consent) has no cells.
SELECT count() AS users
FROM
(
    SELECT user_id
    FROM
    (
        SELECT user_id, messages
        FROM user_usage_1d FINAL
        LEFT ANY JOIN erased_before USING (user_id, source)
        WHERE version >= position
          AND bucket >= toDateTime({days_start:UInt32}, 'UTC')
          AND bucket < toDateTime({days_end:UInt32}, 'UTC')
        UNION ALL
        SELECT user_id, messages
        FROM user_totals_15m FINAL
        LEFT ANY JOIN erased_before USING (user_id, source)
        WHERE version >= position
          AND ((bucket >= toDateTime({start:UInt32}, 'UTC')
                AND bucket < toDateTime({days_start:UInt32}, 'UTC'))
               OR (bucket >= toDateTime({days_end:UInt32}, 'UTC')
                   AND bucket < toDateTime({end:UInt32}, 'UTC')))
    )
    GROUP BY user_id
    HAVING sum(messages) > 0
)

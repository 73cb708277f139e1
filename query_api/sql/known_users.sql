-- known_users: users with usage, the most recently active first, one page of them.
-- Grain: one row per user with at least one message, by falling last day, then rising user_id.
-- Parameters:
--   is_any_user, users            1 for all, else only these
--   is_first                      1 for the first page, else the page begins behind the row of
--   after_day, after_user         the last row's last_day and user_id
--   page_rows                     how many rows at most
-- Units: messages; first_day, last_day: epoch seconds of the first and last UTC day with messages;
--   cost in micro-USD.
SELECT
    user_id,
    sum(cell.messages) AS messages,
    sum(cell.cost_micros) AS cost_micros,
    toUnixTimestamp(minIf(bucket, cell.messages > 0)) AS first_day,
    toUnixTimestamp(maxIf(bucket, cell.messages > 0)) AS last_day
FROM user_usage_1d AS cell FINAL
LEFT ANY JOIN erased_before USING (user_id, source)
WHERE version >= position AND ({is_any_user:UInt8} = 1 OR user_id IN {users:Array(UInt64)})
GROUP BY user_id
HAVING messages > 0
   AND ({is_first:UInt8} = 1
        OR last_day < {after_day:UInt32}
        OR (last_day = {after_day:UInt32} AND user_id > {after_user:UInt64}))
ORDER BY last_day DESC, user_id
LIMIT {page_rows:UInt32}

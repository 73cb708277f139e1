-- The cells of user_usage_15m once more, a few of their columns in order of time, for questions about
-- all users over some hours: the edges of a range of local days, and who was active a short while ago.
-- A view fills it with every insert into user_usage_15m. In that table, which is in order of users,
-- two hours of everybody are a month's cells to read (measured with a million messages a day: 780 ms of
-- CPU for a week side by side).
-- ENGINE: ReplacingMergeTree(version), as there: rows may be repeated.
-- ORDER BY: time first; the rest makes the key that of a cell. PARTITION BY month: whole parts expire.
-- TTL: as long as the cells (a setting of the operator may change it).
-- good, bad: settled messages; cost_micros in micro-USD with all fees.
CREATE TABLE IF NOT EXISTS user_totals_15m
(
    bucket                      DateTime('UTC'),
    user_id                     UInt64,
    direction                   Enum8('inbound' = 1, 'outbound' = 2),
    message_type                Enum8('sms' = 1, 'mms' = 2),
    country_code                FixedString(2),
    source                      UInt32,
    version                     UInt64,
    messages                    Int64,
    segments                    Int64,
    good                        Int64,
    bad                         Int64,
    cost_micros                 Int64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(bucket)
ORDER BY (bucket, user_id, direction, message_type, country_code, source)
TTL bucket + INTERVAL 400 DAY

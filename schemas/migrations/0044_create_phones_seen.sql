-- With which numbers of their own users' messages came: one row per user, number and source. A view fills it
-- with every insert into usage_log, where the same question reads every message of a user, or of everybody
-- (measured with 90 million messages: 300 ms for a page of users, 1.3 s for the users of a number).
-- ENGINE: AggregatingMergeTree: each insert of the same message says the same, so rows may be repeated.
-- first_position: the largest of its messages; one that is not erased is enough to show the number.
-- last_at: when the last of its messages occurred; the row is kept as long as that message.
-- ORDER BY: asked by user; source last. No PARTITION BY: it stays a few rows for each user.
-- TTL: as long as messages (a setting of the operator may change it).
-- The settings: as those of usage_log (migration 47).
CREATE TABLE IF NOT EXISTS phones_seen
(
    user_id         UInt64,
    phone_hash      UInt64,
    source          UInt32,
    first_position  SimpleAggregateFunction(max, UInt64),
    last_at         SimpleAggregateFunction(max, DateTime('UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (user_id, phone_hash, source)
TTL last_at + INTERVAL 400 DAY
SETTINGS merge_selector_base = 6, merge_selector_enable_heuristic_to_remove_small_parts_at_right = 0,
    auto_statistics_types = ''

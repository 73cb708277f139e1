-- user_counterparties: what became of some users' messages, and what they could have cost less, by
--   number at the other end.
-- Grain: one row per user, part of the range, number that he wrote to (0 where it is not known) and country,
--   of outbound messages alone, unordered.
-- Parameters:
--   users, or user                whose; a single one is compared, which is quicker
--   erased_before                 by user and source: the position before which all of the user's is
--                                 erased; asked where there is any
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   cut, today                    epoch seconds: where the second and the third part of time begin
-- Units: owner, where there are several; part: 0, 1 or 2; number = the keyed hash's 64 bits; messages;
--   savings: sums of what migration 42 lists, without zeros at the end.
SELECT
    user_id AS owner, -- owner
    (occurred_at >= toDateTime64({cut:UInt32}, 3, 'UTC'))
        + (occurred_at >= toDateTime64({today:UInt32}, 3, 'UTC')) AS part,
    counterparty_hash AS number,
    country_code,
    count() AS messages,
    sumForEach(log.savings) AS savings
FROM usage_log AS log FINAL
-- Columns only that all rows of a message have in common, so that FINAL sees all of them or none.
PREWHERE user_id IN {users:Array(UInt64)} -- owner
-- one: PREWHERE user_id = {user:UInt64}
  AND occurred_at >= toDateTime64({start:UInt32}, 3, 'UTC') AND occurred_at < toDateTime64({end:UInt32}, 3, 'UTC')
  AND direction = 'outbound'
WHERE first_position >= {erased_before:Map(UInt64, Map(UInt32, UInt64))}[user_id][source] -- erased
GROUP BY part, number, country_code
    , owner -- owner
-- One thread: several queries of an answer run at the same time, and each reads little. All conditions at once, and
-- blocks as they come: a user's rows lie together, so hardly one is read in vain.
SETTINGS max_threads = 1, enable_multiple_prewhere_read_steps = 0, preferred_block_size_bytes = 0

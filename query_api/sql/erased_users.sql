-- erased_users: before which position everything of users is erased, of those that changed lately.
-- Grain: one row per user and source.
-- Parameters:
--   since_ms                      epoch milliseconds: users whose erasures changed at or after it
-- Units: position is 2^64 - 1 while the worker of the source has not decided; changed_ms: epoch
--   milliseconds, when any erasure changed last.
SELECT user_id, source, position,
       (SELECT toUnixTimestamp64Milli(max(at)) FROM erasures) AS changed_ms
FROM erased_before
WHERE user_id IN (SELECT user_id FROM erasures WHERE at >= fromUnixTimestamp64Milli({since_ms:Int64}))
ORDER BY user_id, source

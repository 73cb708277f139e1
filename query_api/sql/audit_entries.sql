-- audit_entries: who asked for what and who was refused, newest first, one page.
-- Grain: one row per entry, by falling (at, entry_id).
-- Parameters:
--   from_ms, to_ms                the range [from_ms, to_ms) of at, epoch milliseconds
--   is_any_actor, actor_id        1 for anybody, else only this user's requests (0: nobody's)
--   is_any_subject, subject_id    1 for any, else only requests about this user (0: about none)
--   decision                      only these; an empty text is any
--   after_ms, after_id            the page begins behind the entry with these; for the first page a
--                                 moment behind every entry, and an empty text
--   page_rows                     how many rows at most
-- Units: at_ms in epoch milliseconds.
SELECT
    toUnixTimestamp64Milli(at) AS at_ms,
    entry_id,
    request_id,
    actor_id,
    roles,
    method,
    route,
    subject_id,
    decision,
    status
FROM audit_log FINAL
WHERE at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
  AND at <= fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC')
  AND (at < fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC') OR entry_id < {after_id:String})
  AND ({is_any_actor:UInt8} = 1 OR actor_id = {actor_id:UInt64})
  AND ({is_any_subject:UInt8} = 1 OR subject_id = {subject_id:UInt64})
  AND ({decision:String} = '' OR toString(decision) = {decision:String})
ORDER BY at DESC, entry_id DESC
LIMIT {page_rows:UInt32}

-- phones_of_users: with which numbers of their own users' messages came, where they came by number.
-- Grain: one row per user that has any.
-- Parameters:
--   users                         whose
-- Units: keyed hashes, each once, in order; at most 20 of a user.
-- Without FINAL: of rows that are not merged yet one that is not erased is enough, too.
SELECT user_id, arraySort(groupUniqArray(20)(phone_hash)) AS phone_hashes
FROM phones_seen
LEFT ANY JOIN erased_before USING (user_id, source)
WHERE first_position >= position AND user_id IN {users:Array(UInt64)}
GROUP BY user_id
ORDER BY user_id

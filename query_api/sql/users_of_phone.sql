-- users_of_phone: which users a phone number's messages were counted for.
-- Grain: one row per known user.
-- Parameters:
--   phone_hash                    the keyed hash of the user's own number
-- Units: user ids; how many rows at most: the first 100.
-- Without FINAL: of rows that are not merged yet one that is not erased is enough, too.
SELECT DISTINCT user_id
FROM phones_seen
LEFT ANY JOIN erased_before USING (user_id, source)
WHERE first_position >= position AND phone_hash = {phone_hash:UInt64}
ORDER BY user_id
LIMIT 100

-- users_of_phone: which users a phone number's messages were counted for.
-- Grain: one row per known user.
-- Parameters:
--   phone_hash                    the keyed hash of the user's own number
-- Units: user ids; how many rows at most: the first 100.
SELECT DISTINCT user_id
FROM usage_log FINAL
LEFT ANY JOIN erased_before USING (user_id, source)
WHERE first_position >= position AND phone_hash = {phone_hash:UInt64} AND user_id != 0
ORDER BY user_id
LIMIT 100

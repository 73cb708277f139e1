-- Whose message a waiting receipt is about, as far as is known: an erasure finds it by that. 0 is nobody.
-- ENGINE, ORDER BY, PARTITION BY, TTL: as they are. A new column with a default changes no part.
ALTER TABLE orphan_status
    ADD COLUMN IF NOT EXISTS user_id UInt64 DEFAULT 0 AFTER position

-- Where the rate came from that a message's card amounts are of: so that a price of Twilio's Pricing API
-- can be told from one of the bundled card. Rows of before it are `none`.
-- ENGINE, ORDER BY, PARTITION BY, TTL: as they are; a byte a row, of few runs, hardly adds to a part.
ALTER TABLE usage_log
    ADD COLUMN IF NOT EXISTS rate_origin
        Enum8('none' = 0, 'bundled' = 1, 'loaded' = 2, 'twilio' = 3) DEFAULT 'none'
        AFTER rate_failed_micros

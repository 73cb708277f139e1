-- user_empty_mms: one user's outbound MMS that carry no media, and those that do.
-- Grain: one row per country with outbound MMS.
-- Parameters:
--   user_id                       whose
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
-- Units: messages; micro-USD of base and carrier fee; empty_segments: the segments that the texts of
--   the MMS without media would be as GSM-7 SMS (160 characters, or 153 each).
SELECT
    toString(country_code) AS country,
    countIf(num_media > 0) AS with_media,
    countIf(num_media = 0) AS empty_messages,
    sumIf(base_micros + carrier_fee_micros, num_media = 0) AS empty_micros,
    sumIf(if(body_length <= 160, 1, intDiv(body_length + 152, 153)), num_media = 0)
        AS empty_segments
FROM usage_log FINAL
WHERE user_id = {user_id:UInt64}
  AND occurred_at >= toDateTime64({start:UInt32}, 3, 'UTC')
  AND occurred_at < toDateTime64({end:UInt32}, 3, 'UTC')
  AND direction = 'outbound' AND message_type = 'mms'
GROUP BY country
ORDER BY country

-- user_text_savings: what slightly different texts would have saved one user.
-- Grain: exactly one row.
-- Parameters:
--   user_id                       whose
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
-- Units: messages, segments, micro-USD at what each message's segments cost (0 for failed ones).
--   gsm_*: the few characters that force UCS-2 replaced; trimmed_*: a few characters shorter. The
--   two savings are not independent: one message may be in both.
SELECT
    countIf(gsm_saved_segments > 0) AS gsm_messages,
    sum(toInt64(gsm_saved_segments)) AS gsm_segments,
    sum(intDiv((base_micros + carrier_fee_micros) * gsm_saved_segments, greatest(segments, 1)))
        AS gsm_micros,
    countIf(trimmed_saved_segments > 0) AS trimmed_messages,
    sum(toInt64(trimmed_saved_segments)) AS trimmed_segments,
    sum(intDiv((base_micros + carrier_fee_micros) * trimmed_saved_segments, greatest(segments, 1)))
        AS trimmed_micros
FROM usage_log FINAL
WHERE user_id = {user_id:UInt64}
  AND occurred_at >= toDateTime64({start:UInt32}, 3, 'UTC')
  AND occurred_at < toDateTime64({end:UInt32}, 3, 'UTC')

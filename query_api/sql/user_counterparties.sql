-- user_counterparties: what became of some users' messages, and what they could have cost less, by
--   number at the other end.
-- Grain: one row per user, part of the range, number that he wrote to (0 where it is not known), country
--   and kind, of outbound messages alone, unordered.
-- Parameters:
--   users                         whose
--   erased_before                 by user and source: the position before which all of the user's is
--                                 erased
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   cut, today                    epoch seconds: where the second and the third part of time begin
-- Units: every column is a whole number, so that an answer is one array. part: 0, 1 or 2. number = the
--   keyed hash's 64 bits; country = the two letters' bytes, the first one the lower; kind: 0 for SMS, 1 for
--   MMS without media, 2 for those with any. messages, segments; micro-USD without and of fees for
--   failing; gsm_*, trimmed_*: at what each message's segments cost (0 for failed ones).
--   gsm_*: the few characters that force UCS-2 replaced; trimmed_*: a few characters shorter. The
--   two savings are not independent: one message may be in both.
--   plain_segments: those of the texts as GSM-7 SMS (160 characters, or 153 each).
WITH
    log.base_micros + log.carrier_fee_micros AS cost,
    greatest(log.segments, 1) AS parts
SELECT
    user_id AS owner,
    (occurred_at >= toDateTime({cut:UInt32}, 'UTC'))
        + (occurred_at >= toDateTime({today:UInt32}, 'UTC')) AS part,
    log.counterparty_hash AS number,
    reinterpretAsUInt16(log.country_code) AS country,
    (log.message_type = 'mms') * (1 + (log.num_media > 0)) AS kind,
    count() AS messages,
    sum(cost) AS cost_micros,
    sum(log.failed_fee_micros) AS fee_micros,
    countIf(log.status IN ('failed', 'undelivered')) AS failed,
    countIf(log.status IN ('delivered', 'received', 'read')) AS arrived,
    countIf(log.gsm_saved_segments > 0) AS gsm_messages,
    sum(log.gsm_saved_segments) AS gsm_segments,
    sum(intDiv(cost * log.gsm_saved_segments, parts)) AS gsm_micros,
    countIf(log.trimmed_saved_segments > 0) AS trimmed_messages,
    sum(log.trimmed_saved_segments) AS trimmed_segments,
    sum(intDiv(cost * log.trimmed_saved_segments, parts)) AS trimmed_micros,
    sum(if(log.body_length <= 160, 1, intDiv(log.body_length + 152, 153))) AS plain_segments
FROM usage_log AS log FINAL
-- Columns only that all rows of a message have in common, so that FINAL sees all of them or none.
PREWHERE user_id IN {users:Array(UInt64)}
  AND occurred_at >= toDateTime({start:UInt32}, 'UTC') AND occurred_at < toDateTime({end:UInt32}, 'UTC')
  AND log.direction = 'outbound'
WHERE (empty({erased_before:Map(UInt64, Map(UInt32, UInt64))})
       OR first_position >= {erased_before:Map(UInt64, Map(UInt32, UInt64))}[user_id][source])
GROUP BY owner, part, number, country, kind

-- user_counterparties: what became of some users' messages, and what they could have cost less, by
--   number at the other end.
-- Grain: one row per user, part of the range, number of an outbound message (0 for inbound ones and
--   where none is known) and country, unordered.
-- Parameters:
--   users                         whose
--   erased_before                 by user and source: the position before which all of the user's is
--                                 erased
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   cut, today                    epoch seconds: where the second and the third part of time begin
-- Units: every column is Int64, so that an answer is one array. part: 0, 1 or 2. number = the keyed hash's 64 bits;
--   country = the two letters' bytes, the first one the lower; messages, segments, micro-USD at what
--   each message's segments cost (0 for failed ones; micros: with fees for failing).
--   gsm_*: the few characters that force UCS-2 replaced; trimmed_*: a few characters shorter. The
--   two savings are not independent: one message may be in both.
--   with_media: outbound MMS that carry media; empty_*: those that do not, what they cost without fees
--   for failing, and the segments that their texts would be as GSM-7 SMS (160 characters, or 153 each).
WITH
    log.direction = 'outbound' AS is_outbound,
    is_outbound AND log.message_type = 'mms' AS is_mms,
    is_mms AND log.num_media = 0 AS is_empty,
    log.base_micros + log.carrier_fee_micros AS cost,
    toInt64(log.gsm_saved_segments) AS gsm_saved,
    toInt64(log.trimmed_saved_segments) AS trimmed_saved,
    greatest(log.segments, 1) AS parts
SELECT
    toInt64(user_id) AS owner,
    toInt64((occurred_at >= toDateTime64({cut:UInt32}, 3, 'UTC'))
            + (occurred_at >= toDateTime64({today:UInt32}, 3, 'UTC'))) AS part,
    toInt64(if(is_outbound, log.counterparty_hash, 0)) AS number,
    toInt64(reinterpretAsUInt16(log.country_code)) AS country,
    toInt64(count()) AS messages,
    sum(cost + log.failed_fee_micros) AS micros,
    toInt64(countIf(log.status IN ('failed', 'undelivered'))) AS failed,
    toInt64(countIf(log.status IN ('delivered', 'received', 'read'))) AS arrived,
    toInt64(countIf(gsm_saved > 0)) AS gsm_messages,
    sum(gsm_saved) AS gsm_segments,
    toInt64(sum(intDiv(cost * gsm_saved, parts))) AS gsm_micros,
    toInt64(countIf(trimmed_saved > 0)) AS trimmed_messages,
    sum(trimmed_saved) AS trimmed_segments,
    toInt64(sum(intDiv(cost * trimmed_saved, parts))) AS trimmed_micros,
    toInt64(countIf(is_mms AND log.num_media > 0)) AS with_media,
    toInt64(countIf(is_empty)) AS empty_messages,
    sumIf(cost, is_empty) AS empty_micros,
    toInt64(sumIf(if(log.body_length <= 160, 1, intDiv(log.body_length + 152, 153)), is_empty))
        AS empty_segments
FROM usage_log AS log FINAL
-- Columns of the sorting key only, so that FINAL sees all rows of a message or none.
PREWHERE user_id IN {users:Array(UInt64)}
  AND occurred_at >= toDateTime64({start:UInt32}, 3, 'UTC')
  AND occurred_at < toDateTime64({end:UInt32}, 3, 'UTC')
WHERE first_position >= {erased_before:Map(UInt64, Map(UInt32, UInt64))}[user_id][source]
GROUP BY owner, part, number, country

-- user_savings: what one user could have saved, from his messages.
-- Grain: exactly one row.
-- Parameters:
--   user_id                       whose
--   erased_before                 by source: the position before which all of the user's is erased
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   least                         failed messages from which on a number is listed
--   page_rows                     how many numbers are listed at most
-- Units: messages, segments, micro-USD at what each message's segments cost (0 for failed ones).
--   gsm_*: the few characters that force UCS-2 replaced; trimmed_*: a few characters shorter. The
--   two savings are not independent: one message may be in both.
--   mms_*: parallel arrays by country of outbound MMS: those that carry media, those that do not, what
--   the latter cost without fees for failing, and the segments that their texts would be as GSM-7 SMS
--   (160 characters, or 153 each).
--   numbers_*: of the outbound numbers with at least so many failed messages and none that arrived:
--   how many, their messages and micro-USD; top_*: parallel arrays of these, the most expensive first.
WITH
    number_failed >= {least:UInt32} AND number_arrived = 0 AND number != 0 AS is_failing,
    sumMap(number_mms.1, number_mms.2, number_mms.3, number_mms.4, number_mms.5) AS mms,
    arraySlice(arraySort(groupArrayIf((-number_micros, number, number_country, number_messages),
                                      is_failing)), 1, {page_rows:UInt32}) AS top
SELECT
    sum(number_gsm_messages) AS gsm_messages,
    sum(number_gsm_segments) AS gsm_segments,
    sum(number_gsm_micros) AS gsm_micros,
    sum(number_trimmed_messages) AS trimmed_messages,
    sum(number_trimmed_segments) AS trimmed_segments,
    sum(number_trimmed_micros) AS trimmed_micros,
    mms.1 AS mms_countries,
    mms.2 AS mms_with_media,
    mms.3 AS mms_empty_messages,
    mms.4 AS mms_empty_micros,
    mms.5 AS mms_empty_segments,
    countIf(is_failing) AS numbers,
    sumIf(number_messages, is_failing) AS numbers_messages,
    sumIf(number_micros, is_failing) AS numbers_micros,
    arrayMap(one -> one.2, top) AS top_numbers,
    arrayMap(one -> one.3, top) AS top_countries,
    arrayMap(one -> one.4, top) AS top_messages,
    arrayMap(one -> -one.1, top) AS top_micros
FROM
(
    WITH
        direction = 'outbound' AS is_outbound,
        is_outbound AND message_type = 'mms' AS is_mms,
        base_micros + carrier_fee_micros AS micros
    SELECT
        -- Of inbound messages the number is the sender's.
        if(is_outbound, counterparty_hash, 0) AS number,
        any(toString(country_code)) AS number_country,
        count() AS number_messages,
        sum(micros + failed_fee_micros) AS number_micros,
        countIf(status IN ('failed', 'undelivered')) AS number_failed,
        countIf(status IN ('delivered', 'received', 'read')) AS number_arrived,
        countIf(gsm_saved_segments > 0) AS number_gsm_messages,
        sum(toInt64(gsm_saved_segments)) AS number_gsm_segments,
        sum(intDiv(micros * gsm_saved_segments, greatest(segments, 1))) AS number_gsm_micros,
        countIf(trimmed_saved_segments > 0) AS number_trimmed_messages,
        sum(toInt64(trimmed_saved_segments)) AS number_trimmed_segments,
        sum(intDiv(micros * trimmed_saved_segments, greatest(segments, 1)))
            AS number_trimmed_micros,
        sumMapIf([toString(country_code)], [toInt64(num_media > 0)], [toInt64(num_media = 0)],
                 [if(num_media = 0, micros, 0)],
                 [if(num_media = 0, if(body_length <= 160, 1, intDiv(body_length + 152, 153)), 0)],
                 is_mms) AS number_mms
    FROM usage_log FINAL
    WHERE user_id = {user_id:UInt64} AND first_position >= {erased_before:Map(UInt32, UInt64)}[source]
      AND occurred_at >= toDateTime64({start:UInt32}, 3, 'UTC')
      AND occurred_at < toDateTime64({end:UInt32}, 3, 'UTC')
    GROUP BY number
)

-- user_kind_counts: the histograms and error codes of some users' messages.
-- Grain: one row per user, direction, message type, country and bin or error code, unordered.
-- Parameters:
--   users                         whose
--   erased_before                 by user and source: the position before which all of the user's is
--                                 erased
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   days_start, days_end          the whole UTC days inside the range, answered by the daily table;
--                                 both equal end where there are none
-- Units: every column is Int64; the same columns as `user_cell_counts` from is_outbound on, summed.
SELECT
    toInt64(user_id) AS owner,
    toInt64(direction = 'outbound') AS is_outbound,
    toInt64(message_type = 'mms') AS is_mms,
    toInt64(reinterpretAsUInt16(country_code)) AS country,
    toInt64(place > length(processing_bins)) AS is_error,
    toInt64(key) AS key,
    sum(part_number) AS number
FROM
(
    SELECT user_id, direction, message_type, country_code, processing_bins, processing_counts, error_codes,
           error_messages
    FROM user_usage_1d FINAL
    WHERE user_id IN {users:Array(UInt64)}
      AND version >= {erased_before:Map(UInt64, Map(UInt32, UInt64))}[user_id][source]
      AND bucket >= toDateTime({days_start:UInt32}, 'UTC')
      AND bucket < toDateTime({days_end:UInt32}, 'UTC')
    UNION ALL
    SELECT user_id, direction, message_type, country_code, processing_bins, processing_counts, error_codes,
           error_messages
    FROM user_usage_15m FINAL
    WHERE user_id IN {users:Array(UInt64)}
      AND version >= {erased_before:Map(UInt64, Map(UInt32, UInt64))}[user_id][source]
      AND ((bucket >= toDateTime({start:UInt32}, 'UTC')
            AND bucket < toDateTime({days_start:UInt32}, 'UTC'))
           OR (bucket >= toDateTime({days_end:UInt32}, 'UTC')
               AND bucket < toDateTime({end:UInt32}, 'UTC')))
) AS part
ARRAY JOIN
    arrayConcat(processing_bins, error_codes) AS key,
    arrayConcat(processing_counts, error_messages) AS part_number,
    arrayEnumerate(arrayConcat(processing_counts, error_messages)) AS place
GROUP BY owner, is_outbound, is_mms, country, is_error, key

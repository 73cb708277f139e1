-- user_cell_counts: the histograms and error codes of the cells that `user_cells` gives.
-- Grain: one row per cell and bin or error code, unordered.
-- Parameters:
--   users                         whose
--   erased_before                 by user and source: the position before which all of the user's is
--                                 erased
--   start                         epoch seconds on a 15-minute boundary: buckets from there on
-- Units: every column is Int64; owner to country as in `user_cells`. is_error = 1: key is an error code
--   of current states; 0: a processing_bin of schemas.histogram. number in messages.
SELECT
    toInt64(user_id) AS owner,
    toInt64(toUnixTimestamp(bucket)) AS time,
    toInt64(direction = 'outbound') AS is_outbound,
    toInt64(message_type = 'mms') AS is_mms,
    toInt64(reinterpretAsUInt16(country_code)) AS country,
    toInt64(place > length(processing_bins)) AS is_error,
    toInt64(key) AS key,
    number
FROM user_usage_15m FINAL
ARRAY JOIN
    arrayConcat(processing_bins, error_codes) AS key,
    arrayConcat(processing_counts, error_messages) AS number,
    arrayEnumerate(arrayConcat(processing_counts, error_messages)) AS place
WHERE user_id IN {users:Array(UInt64)}
  AND version >= {erased_before:Map(UInt64, Map(UInt32, UInt64))}[user_id][source]
  AND bucket >= toDateTime({start:UInt32}, 'UTC')

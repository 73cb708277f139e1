-- user_cells: the cells of some users in one or two ranges of time, as they lie in a table.
-- Grain: one row per user, bucket, direction, message type, country and source, unordered.
-- Parameters:
--   cells                         user_usage_15m, or user_usage_1d for the whole UTC days
--   users, or user                whose; a single one is compared, which is quicker
--   erased_before                 by user and source: the position before which all of the user's is
--                                 erased; asked where there is any
--   start, end                    the first range [start, end), epoch seconds on the buckets' boundaries
--   also_start, also_end          the second one, where there is one
-- Units: owner, where there are several; time of the bucket in epoch seconds; counters as in the table:
--   *_micros in micro-USD, processing times in microseconds; statuses in the order of migration 38; parallel
--   arrays of error codes, and of bins of processing times where these are asked for, with their messages.
SELECT
    user_id AS owner, -- owner
    bucket AS time,
    direction,
    message_type,
    country_code,
    messages, segments, body_length,
    base_micros, carrier_fee_micros, failed_fee_micros, provisional_micros,
    processing_count, processing_sum_us, processing_max_us,
    statuses,
    error_codes, error_messages
    , processing_bins, processing_counts -- times
FROM {cells:Identifier} FINAL
-- Columns of the sorting key only, so that FINAL sees all rows of a cell or none.
PREWHERE user_id IN {users:Array(UInt64)} -- owner
-- one: PREWHERE user_id = {user:UInt64}
  AND (bucket >= {start:UInt32} AND bucket < {end:UInt32}
       OR bucket >= {also_start:UInt32} AND bucket < {also_end:UInt32} -- also
      )
WHERE version >= {erased_before:Map(UInt64, Map(UInt32, UInt64))}[user_id][source] -- erased
-- One thread: several queries of an answer run at the same time, and each reads little. All conditions at once, and
-- blocks as they come: a user's rows lie together, so hardly one is read in vain.
SETTINGS max_threads = 1, enable_multiple_prewhere_read_steps = 0, preferred_block_size_bytes = 0

-- user_processing: how long one user's messages took in the router, as a merged histogram.
-- Grain: one row per bin of schemas.histogram.
-- Parameters:
--   user_id                       whose
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
-- Units: messages; a bin stands for microseconds.
SELECT bin, sum(counted) AS messages
FROM user_usage_15m FINAL
ARRAY JOIN processing_bins AS bin, processing_counts AS counted
WHERE user_id = {user_id:UInt64}
  AND bucket >= toDateTime({start:UInt32}, 'UTC') AND bucket < toDateTime({end:UInt32}, 'UTC')
GROUP BY bin
HAVING messages != 0
ORDER BY bin

-- The cells of system_usage_15m summed over types and countries, as a worker would have written them: what
-- was counted before there was a table for it.
-- To be applied once the last worker has stopped by itself: what one writes between this and the start of a new
-- one would be missing in system_totals_15m.
-- ENGINE, ORDER BY, PARTITION BY, TTL: those of system_totals_15m. in_order: a quarter of an hour at a time
--   in memory, whatever there is.
INSERT INTO system_totals_15m
SELECT bucket, direction, source, max(cell.version),
       sum(cell.messages), sum(cell.segments), sum(cell.body_length), sum(cell.status_accepted),
       sum(cell.status_scheduled), sum(cell.status_queued), sum(cell.status_sending),
       sum(cell.status_sent), sum(cell.status_receiving), sum(cell.status_partially_delivered),
       sum(cell.status_canceled), sum(cell.status_failed), sum(cell.status_undelivered),
       sum(cell.status_delivered), sum(cell.status_received), sum(cell.status_read),
       sum(cell.base_micros), sum(cell.carrier_fee_micros), sum(cell.failed_fee_micros),
       sum(cell.provisional_micros), sum(cell.processing_count), sum(cell.processing_sum_us),
       max(cell.processing_max_us), sum(cell.latency_count), sum(cell.latency_sum_ms),
       max(cell.latency_max_ms), sum(cell.ucs2_messages), sum(cell.gsm_saved_segments),
       sum(cell.trimmed_saved_segments),
       sumMap(cell.error_codes, cell.error_messages).1,
       sumMap(cell.error_codes, cell.error_messages).2,
       sumMap(cell.processing_bins, cell.processing_counts).1,
       sumMap(cell.processing_bins, cell.processing_counts).2,
       sumMap(cell.latency_bins, cell.latency_counts).1,
       sumMap(cell.latency_bins, cell.latency_counts).2
FROM system_usage_15m AS cell FINAL
GROUP BY bucket, direction, source
SETTINGS optimize_aggregation_in_order = 1

-- system_stamps: how far the system's totals of before a day have come; they are unchanged while these are.
-- Grain: one row per source that has cells before it.
-- Parameters:
--   before                        the day, a UTC midnight in epoch seconds
-- Units: newest is the position of the last event that changed any of the cells; every event that
--   changes a cell changes the cell of its day.
SELECT source, max(version) AS newest
FROM system_usage_1d
WHERE bucket < toDateTime({before:UInt32}, 'UTC')
GROUP BY source
ORDER BY source

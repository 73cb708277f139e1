-- The view goes while its source is copied (migration 25), and comes again with migration 26: it must
-- not take the copy for new rows, nor be left with the old table.
-- To be applied while no worker runs, with 25 to 28: what one writes meanwhile would be missing in
-- user_totals_15m.
-- ENGINE, ORDER BY, PARTITION BY, TTL: a view has none; user_totals_15m, which it fills, stays.
DROP VIEW IF EXISTS user_totals_15m_view

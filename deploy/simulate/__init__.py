"""A simulated router: seeded, realistic traffic for `sms.usage.v1`, and a ledger of what it sent.

`router` makes records from a seed and is pure; `sending` and `ledger` put them where they belong;
`command` is what `sms-analytics simulate` runs.
"""

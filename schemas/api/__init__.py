"""The API's answers as pydantic models; contract section 4.

OpenAPI, the dashboard's types and `docs/api.md` are generated from them. Money is integer
micro-USD (`*_micros`) with the same amount as a JSON number of USD (`*_usd`) beside it; ratios
are 0–1; times are RFC 3339.
"""

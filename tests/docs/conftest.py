"""The API as a test client whose database is away, as in the tests of the API."""

from __future__ import annotations

from tests.query_api.conftest import bearer, client, settings

__all__ = ["bearer", "client", "settings"]

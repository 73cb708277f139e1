"""The one error that commands end with: a sentence for the person at the terminal, no traceback."""

from __future__ import annotations


class Unusable(Exception):  # noqa: N818
    """Something on this machine stands in the way; the message is a whole sentence that says
    what, and what can be done."""

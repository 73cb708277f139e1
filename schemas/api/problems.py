"""Problem documents (RFC 9457): the body of every error."""

from __future__ import annotations

from pydantic import BaseModel, Field


class FieldError(BaseModel):
    """One fault of a request: where it is and what is wrong with it."""

    parameter: str = Field(description="The parameter, header or body field that is wrong.")
    detail: str


class Problem(BaseModel):
    """`application/problem+json`. `type` is `about:blank`: `status` and `title` say it all."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str = Field(description="The path that was asked for.")
    request_id: str = Field(description="Also in the X-Request-ID header and in the logs.")
    errors: list[FieldError] = []

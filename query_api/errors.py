"""Every way in which a request can fail; each class carries its HTTP status.

Raised anywhere below a route, turned into a problem document by `query_api.problems` alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from schemas.api.problems import FieldError


class ApiError(Exception):
    """A failure that the client is told about: `detail` is a sentence for its developer."""

    status = 500

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = headers or {}


class UnauthorizedError(ApiError):
    """No token, or none that can be trusted (RFC 6750 section 3)."""

    status = 401

    def __init__(self, detail: str, *, has_token: bool) -> None:
        challenge = 'Bearer realm="sms-analytics"'
        if has_token:
            challenge += f', error="invalid_token", error_description="{detail}"'
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class ForbiddenError(ApiError):
    """A good token whose roles do not reach."""

    status = 403


class NotFoundError(ApiError):
    """What was asked for does not exist, as far as this principal may know."""

    status = 404


class ContentTooLargeError(ApiError):
    """The request's body is longer than any route reads."""

    status = 413


class UriTooLongError(ApiError):
    """Path and query are longer than any valid request's."""

    status = 414


class UnsupportedMediaTypeError(ApiError):
    """A body in another format than the route reads."""

    status = 415


class InvalidParametersError(ApiError):
    """Parameters that cannot be answered; `errors` names each and its limit."""

    status = 422

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(error.detail for error in errors), errors=errors)


class TooManyRequestsError(ApiError):
    """More requests than this user or address may send (RFC 6585)."""

    status = 429


class UnavailableError(ApiError):
    """ClickHouse cannot answer now: ask again after `retry_after_s`.

    `reason` is one word for metrics, `cause` a line for operators.
    """

    status = 503

    def __init__(
        self, detail: str, *, reason: str, cause: str = "", retry_after_s: int = 5
    ) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after_s)})
        self.reason = reason
        self.cause = cause or detail


def invalid(parameter: str, detail: str) -> InvalidParametersError:
    """The common case of `InvalidParametersError`: one parameter, one sentence."""
    return InvalidParametersError(FieldError(parameter=parameter, detail=detail))

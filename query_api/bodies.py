"""Bodies of requests: JSON of a model, read after the token was checked.

FastAPI's own body parameters are read before any dependency, so that whoever has no token would
be told what is wrong with a body that he may not send.
"""

# No `annotations` of `__future__` here: FastAPI could not resolve the one of `read` below.
from collections.abc import Awaitable, Callable
from email.message import Message
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from query_api.access import Role
from query_api.errors import UnsupportedMediaTypeError
from query_api.tokens import Principal

Model = TypeVar("Model", bound=BaseModel)


def json_body(model: type[Model], role: Role) -> Callable[..., Awaitable[Model]]:
    """A dependency that reads a body for who has `role`.

    Raises `UnsupportedMediaTypeError`, and RequestValidationError naming each wrong field.
    """

    async def read(request: Request, _: Annotated[Principal, Depends(role)]) -> Model:
        if not _is_json(request.headers.get("content-type", "")):
            raise UnsupportedMediaTypeError("The body must be application/json.")
        try:
            # Strict: neither 1 nor "true" is a boolean.
            return model.model_validate_json(await request.body(), strict=True)
        except ValidationError as error:
            faults = [fault | {"loc": ("body", *fault["loc"])} for fault in error.errors()]
            raise RequestValidationError(faults) from None

    return read


def documented_body(model: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of a route that takes such a body."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _is_json(content_type: str) -> bool:
    message = Message()
    message["content-type"] = content_type
    return message.get_content_type() == "application/json"

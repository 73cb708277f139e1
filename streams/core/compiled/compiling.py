"""How the loops of this package are compiled and kept, and the addresses that they work with.

Numba keeps compiled code beside a file for as long as that file is unchanged, whatever becomes of
the files that it imports. So what is kept lies in a folder named after all of their contents.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba import njit, types
from numba.extending import intrinsic

import schemas.events

F = TypeVar("F", bound=Callable[..., Any])


def _folder() -> Path | None:
    """Where compiled code is kept; None where nothing can be written."""
    here = Path(__file__).parent
    sources = [*sorted(here.glob("*.py")), Path(schemas.events.__file__)]
    digest = blake2b(b"\0".join(path.read_bytes() for path in sources), digest_size=8).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for folder in (here / "__pycache__", cache / "sms-analytics"):
        try:
            (folder / digest).mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder / digest, os.W_OK):
            return folder / digest
    return None


_KEPT_IN = None if numba.config.CACHE_DIR else _folder()
if _KEPT_IN is not None:
    numba.config.CACHE_DIR = str(_KEPT_IN)
_IS_KEPT = bool(numba.config.CACHE_DIR)


def compiled(function: F) -> F:
    """Compile a function when it is first called, or take what was compiled before."""
    made: F = njit(cache=_IS_KEPT, nogil=True)(function)
    return made


def _pointer(typing: Any, array: Any) -> Any:
    def extract(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), extract


pointer: Any = intrinsic(_pointer)
"""The address of the first item of a contiguous array, which must outlive it."""


def _at(item: Any) -> Any:
    def typed(typing: Any, address: Any) -> Any:
        def convert(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(item)(types.int64), convert

    return intrinsic(typed)


integers_at: Any = _at(types.int64)
bytes_at: Any = _at(types.uint8)
"""Memory that something else than an array holds, by its address."""

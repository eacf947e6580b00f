"""msgpack with arrays, in the dialects that are spoken: openpi's, vla-eval's, and XPolicyLab's (msgpack-numpy's).

What arrives is somebody else's: arrays may only hold numbers or text, their size must be what they claim, images are
decoded by size first, and containers are limited, so that a frame cannot cost much more memory than it has bytes. What
is not accepted stays in the message as `Unreadable`: it spoils what wants to use it, and nothing else.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgpack
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Dialect = Literal["openpi", "vla-eval", "xpolicylab"]

_ITEMS = 100_000
"""Most items of a list, a map or an array of text: chunks of actions given as plain lists are far below."""

_KINDS = "biufUS"
"""Arrays that are accepted: booleans, integers, floats and text."""

_DIMENSIONS = 8
_PIXELS = 2**23
"""Most pixels of a compressed image: 4K, 25 MB when decoded."""


class WireError(Exception):
    """What arrived is not the protocol: no msgpack, an array that is none, something too large."""


@dataclass(frozen=True)
class Unreadable:
    """Stands in a message for an array that could not be read. It spoils nothing but what wants to use it.

    Attributes:
        why: in words.
    """

    why: str


def pack(message: Any, dialect: Dialect) -> bytes:
    """A message of text, numbers, arrays and containers of these, as bytes.

    Raises:
        WireError: it holds something else (an object array, say).
    """
    try:
        packed: bytes = msgpack.packb(message, default=_ENCODERS[dialect])
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise WireError(f"this cannot be sent: {error}") from error
    return packed


def unpack(frame: bytes, dialect: Dialect) -> Any:
    """The message in a frame; arrays are copies of their own, and `Unreadable` where they are not accepted.

    Raises:
        WireError: it is no message.
    """
    hooks = {"object_hook": _DECODERS[dialect], "ext_hook": _extension}
    try:
        return msgpack.unpackb(frame, **hooks, max_array_len=_ITEMS, max_map_len=_ITEMS)
    except Exception as error:  # msgpack raises a dozen kinds; all mean the same
        why = ": ".join(filter(None, (type(error).__name__, str(error))))  # some of them say nothing
        raise WireError(f"a frame of {len(frame)} bytes is no message: {why}") from error


def array(data: object, dtype: object, shape: object) -> NDArray[Any]:
    """The array that three values from the wire describe.

    Raises:
        WireError: they do not describe an array of numbers or text.
    """
    if not isinstance(data, bytes) or not isinstance(dtype, str) or not isinstance(shape, list | tuple):
        raise WireError("an array needs data (bytes), dtype (text) and shape (a list)")
    try:
        kind = np.dtype(dtype if len(dtype) <= 8 else "")
    except (TypeError, ValueError, SyntaxError) as error:
        raise WireError(f"unknown dtype {dtype[:40]!r}") from error
    if kind.kind not in _KINDS or kind.names is not None or kind.itemsize == 0:
        raise WireError(f"arrays of dtype {dtype[:40]!r} are not accepted; only booleans, integers, floats and text")
    if len(shape) > _DIMENSIONS or not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in shape):
        raise WireError(f"{str(shape)[:80]} is no shape of an array")
    if math.prod(shape) * kind.itemsize != len(data):
        raise WireError(f"an array of shape {tuple(shape)} and type {dtype} does not have {len(data)} bytes")
    if kind.kind == "U":
        return _text_array(data, kind, shape)
    return np.frombuffer(data, kind).reshape(shape).copy()


def _text_array(data: bytes, kind: np.dtype[Any], shape: list[int] | tuple[int, ...]) -> NDArray[Any]:
    """Numbers that are no characters would only be noticed by whoever reads the text; so they are looked for here."""
    if math.prod(shape) > _ITEMS:
        raise WireError(f"an array of {math.prod(shape)} texts is too large")
    characters = np.frombuffer(data, f"{kind.str[0]}u4")
    if np.any((characters > 0x10FFFF) | ((characters >= 0xD800) & (characters < 0xE000))):
        raise WireError("an array of text holds what is no character")
    return np.frombuffer(data, kind).reshape(shape).copy()


def _extension(code: int, data: bytes) -> Unreadable:
    return Unreadable(f"msgpack's extension type {code} is not known")


def _or_unreadable(read: Callable[..., NDArray[Any]], *described: object) -> NDArray[Any] | Unreadable:
    try:
        return read(*described)
    except WireError as error:
        return Unreadable(str(error))


def _encode_openpi(thing: Any) -> Any:
    if isinstance(thing, np.ndarray | np.generic) and thing.dtype.kind not in _KINDS:
        raise TypeError(f"dtype {thing.dtype} is not accepted by openpi's protocol")
    if isinstance(thing, np.ndarray):
        return {b"__ndarray__": True, b"data": thing.tobytes(), b"dtype": thing.dtype.str, b"shape": thing.shape}
    if isinstance(thing, np.generic):
        return {b"__npgeneric__": True, b"data": thing.item(), b"dtype": thing.dtype.str}
    raise TypeError(f"a {type(thing).__name__} cannot be sent")


def _decode_openpi(found: dict[Any, Any]) -> Any:
    if b"__ndarray__" in found:
        return _or_unreadable(array, found.get(b"data"), found.get(b"dtype"), found.get(b"shape"))
    if b"__npgeneric__" in found:
        number = found.get(b"data")
        if not isinstance(number, bool | int | float):
            return Unreadable("a numpy scalar must be a number")
        return number
    return found


def _encode_vla_eval(thing: Any) -> Any:
    """Images go as raw arrays: every vla-eval decoder reads them, and PNG costs milliseconds an image."""
    if isinstance(thing, np.ndarray):
        if thing.dtype.kind not in _KINDS:
            raise TypeError(f"dtype {thing.dtype} is not accepted by vla-eval's protocol")
        return {"__ndarray__": True, "data": thing.tobytes(), "dtype": thing.dtype.str, "shape": list(thing.shape)}
    if isinstance(thing, np.generic):
        return thing.item()
    raise TypeError(f"a {type(thing).__name__} cannot be sent")


def _decode_vla_eval(found: dict[Any, Any]) -> Any:
    if "__image__" in found:
        if found.get("format") == "raw":
            return _or_unreadable(array, found.get("data"), found.get("dtype"), found.get("shape"))
        return _or_unreadable(_picture, found.get("data"))
    if "__ndarray__" in found:
        return _or_unreadable(array, found.get("data"), found.get("dtype"), found.get("shape"))
    return found


def _encode_xpolicylab(thing: Any) -> Any:
    if not isinstance(thing, np.ndarray | np.generic):
        raise TypeError(f"a {type(thing).__name__} cannot be sent")
    if thing.dtype.kind not in _KINDS:
        raise TypeError(f"dtype {thing.dtype} is not accepted by XPolicyLab's protocol")
    described = {b"type": thing.dtype.str, b"data": thing.tobytes()}
    if isinstance(thing, np.generic):
        return {b"nd": False, **described}
    return {b"nd": True, b"kind": b"", b"shape": thing.shape, **described}


def _decode_xpolicylab(found: dict[Any, Any]) -> Any:
    if b"complex" in found or found.get(b"kind", b"") != b"":
        return Unreadable("complex numbers, structured and object arrays are not accepted")
    if b"nd" not in found:
        return found
    if found[b"nd"] is True:
        return _or_unreadable(array, found.get(b"data"), found.get(b"type"), found.get(b"shape"))
    number = _or_unreadable(array, found.get(b"data"), found.get(b"type"), [])
    return number if isinstance(number, Unreadable) else number.item()


def _picture(data: object) -> NDArray[np.uint8]:
    if not isinstance(data, bytes):
        raise WireError("an image needs data (bytes)")
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > _PIXELS:
                raise WireError(f"an image of {picture.width}×{picture.height} pixels is too large")
            return np.array(picture, np.uint8)
    except (OSError, ValueError, TypeError, SyntaxError, Image.DecompressionBombError) as error:
        raise WireError(f"an image cannot be decoded: {error}") from error


_ENCODERS: Mapping[Dialect, Callable[[Any], Any]] = {
    "openpi": _encode_openpi,
    "vla-eval": _encode_vla_eval,
    "xpolicylab": _encode_xpolicylab,
}
_DECODERS: Mapping[Dialect, Callable[[dict[Any, Any]], Any]] = {
    "openpi": _decode_openpi,
    "vla-eval": _decode_vla_eval,
    "xpolicylab": _decode_xpolicylab,
}

"""What is in a file: its bytes, unpacked where they are gzipped, and its text whoever wrote it."""

import codecs
import gzip
import re
import zlib
from pathlib import Path
from typing import Any

from desgd_fast.common.check.values import given

_GZIP = b"\x1f\x8b"
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f]")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def content(name: str, path: Any) -> bytes:
    """Everything in a file, unpacked if it begins as gzip does, whatever it is called."""
    try:
        return unpacked(name, str(path), Path(path).read_bytes())
    except TypeError:
        raise TypeError(f"{name} must be a path, got {given(path)}") from None
    except OSError as error:
        raise ValueError(
            f"{name} must be a readable file, got {given(str(path))}: {error.strerror or error}"
        ) from None
    except ValueError as error:
        # A path with a null character.
        if "null" in str(error):
            raise ValueError(f"{name} must be a readable file, got {given(str(path))}: {error}") from None
        raise


def unpacked(name: str, label: str, data: bytes) -> bytes:
    """The bytes, unpacked if they begin as gzip does."""
    if not data.startswith(_GZIP):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"{name}: {label!r} is gzipped, and damaged or cut short: {str(error).rstrip('.')}"
        ) from None


def text(name: str, label: str, data: bytes) -> str:
    """UTF-8, or UTF-16 after its byte order mark; the mark itself is no part of the text."""
    encoding = "utf-16" if data.startswith(_UTF16) else "utf-8-sig"
    try:
        found = data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{name}: {label!r}, line {line}: no text in UTF-8 (byte {data[error.start]:#04x}); "
            "save the file as UTF-8 (Excel: CSV UTF-8)"
        ) from None
    # Bytes of numbers may decode too, but no text holds these.
    if strange := _NO_TEXT.search(found):
        line = found.count("\n", 0, strange.start()) + 1
        raise ValueError(
            f"{name}: {label!r}, line {line}: no text but bytes, {ord(strange[0]):#04x} among them"
        )
    return found

"""The compressed streams in which a bot may ask to hear the gateway."""

import zlib
from importlib import import_module
from typing import Any


class Unavailable(Exception):
    """Nobody here can compress so; the message is the sentence for the bot's side."""


class Stream:
    """One connection's stream under Discord's name for it, such as "zlib-stream"; raises Unavailable."""

    def __init__(self, name: str) -> None:
        self._compressor, self._flush = _compressor(name)

    def pack(self, text: str) -> bytes:
        """The stream's next bytes, from which `text` can be read at once."""
        packed: bytes = self._compressor.compress(text.encode()) + self._compressor.flush(self._flush)
        return packed


def _compressor(name: str) -> tuple[Any, int]:
    """A compressor, and how its `flush` is told that more will follow."""
    if name == "zlib-stream":
        return zlib.compressobj(), zlib.Z_SYNC_FLUSH
    if name == "zstd-stream":  # which discord.py asks for wherever it finds one of these two
        if zstandard := _find("zstandard"):
            return zstandard.ZstdCompressor().compressobj(), zstandard.COMPRESSOBJ_FLUSH_BLOCK
        if zstd := _find("compression.zstd"):  # Python 3.14's own
            return zstd.ZstdCompressor(), zstd.ZstdCompressor.FLUSH_BLOCK
    raise Unavailable(f"The gateway cannot send {name}; ask for compress=zlib-stream or none.")


def _find(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        return None

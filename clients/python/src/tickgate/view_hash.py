"""The hash of everything that is held (docs/protocol.md, promise P11), over whole arrays of symbols.

Each held (channel, symbol) is mixed into two numbers of 32 bits, and these are summed, so that order does not matter. The
reference is `wire/src/view_hash.rs`.
"""

from __future__ import annotations

import numpy as np

Words = tuple[np.ndarray, np.ndarray]
"""High and low numbers of each symbol, `<u4`; they wrap."""

_HIGH, _LOW = np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)


def quotes(ids: np.ndarray, total: np.ndarray, shown: np.ndarray, has_size: np.ndarray) -> Words:
    """Hashes of quotes: `ids`, `total` and `has_size` of shape (n,), `shown` records of dtype `QUOTE`."""
    words = [_low(ids), _low(total)]
    for price, size in (("bid", "bid_size"), ("ask", "ask_size")):
        words += _halves(np.where((shown[size] == 0) & has_size, 0, shown[price]))
    return _mixed(0, [*words, *_halves(shown["bid_size"]), *_halves(shown["ask_size"]), _low(shown["state"])])


def prints(ids: np.ndarray, total: np.ndarray, volume: np.ndarray, price: np.ndarray, qty: np.ndarray) -> Words:
    """Hashes of what is held of prints, all of shape (n,); price and qty are those of the last one."""
    return _mixed(1, [_low(ids), _low(total), _low(volume), *_halves(price), *_halves(qty)])


def books(ids: np.ndarray, total: np.ndarray, checksum: np.ndarray, state: np.ndarray) -> Words:
    """Hashes of books, all of shape (n,)."""
    return _mixed(2, [_low(ids), _low(total), _low(checksum), _low(state)])


def bars(ids: np.ndarray, newest: np.ndarray) -> Words:
    """Hashes of bars: `newest` records of dtype `BAR`, all 0 before the first."""
    numbers = [half for name in ("start_us", "close", "volume") for half in _halves(newest[name])]
    return _mixed(3, [_low(ids), _low(newest["tc"]), *numbers])


def statuses(ids: np.ndarray, state: np.ndarray, status: np.ndarray) -> Words:
    """Hashes of trading status, all of shape (n,)."""
    return _mixed(4, [_low(ids), _low(state), _low(status)])


def summed(parts: list[Words]) -> str:
    """All together, as told: 16 hexadecimal digits."""
    high, low = (sum(int(part[half].sum(dtype=np.uint32)) for part in parts) & 0xFFFFFFFF for half in (0, 1))
    return f"{high:08x}{low:08x}"


def _low(numbers: np.ndarray) -> np.ndarray:
    return numbers.astype(np.uint32)


def _halves(numbers: np.ndarray) -> list[np.ndarray]:
    return [_low(numbers), _low(numbers >> 32)]


def _mixed(channel: int, words: list[np.ndarray]) -> Words:
    high = np.full(len(words[0]), 0x9E3779B9, np.uint32)
    low = np.full(len(words[0]), 0x7F4A7C15, np.uint32)
    for word in [np.uint32(channel), *words]:
        high, low = (high ^ word) * _HIGH, (low ^ word) * _LOW
        high ^= high >> np.uint32(13)
        low ^= low >> np.uint32(16)
    return _finished(high), _finished(low)


def _finished(word: np.ndarray) -> np.ndarray:
    word = (word ^ (word >> np.uint32(16))) * _HIGH
    word = (word ^ (word >> np.uint32(13))) * _LOW
    return word ^ (word >> np.uint32(16))

"""The form `compact`: reads a message into plain records. For tools and tests; scripts use `fixed`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .fixed import Damaged

STATES = ("live", "quiet", "stale", "halted")


class Reader:
    """Reads forward over bytes, never past their end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        end = self.at + count
        if end > len(self.data):
            raise Damaged("cut message")
        part, self.at = self.data[self.at : end], end
        return part

    def u8(self) -> int:
        """One byte."""
        return self.take(1)[0]

    def little(self, count: int) -> int:
        """A little-endian number."""
        return int.from_bytes(self.take(count), "little")

    def varint(self) -> int:
        """Seven bits a byte, low first."""
        value, shift = 0, 0
        while True:
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >> 64:
                    raise Damaged("number too long")
                return value
            shift += 7
            if shift > 63:
                raise Damaged("number too long")

    def signed(self) -> int:
        """A zigzag varint."""
        return unzigzag(self.varint())

    @property
    def left(self) -> int:
        """Bytes left."""
        return len(self.data) - self.at


def unzigzag(code: int) -> int:
    """0, 1, 2, 3 … become 0, −1, 1, −2 …"""
    return (code >> 1) ^ -(code & 1)


@dataclass
class Message:
    """One message: its head, and its records by the kind."""

    kind: int
    slot: int
    counter: int
    gaps: bool
    tick: int
    lag_us: int | None = None
    whole_tick: int | None = None
    frame: int | None = None
    time_ns: int | None = None
    records: list[dict[str, Any]] | None = field(default_factory=list)


def decode(data: bytes, ids: list[int], prints: dict[int, tuple[int, int, int]] | None = None) -> Message:
    """Decodes a message. `ids` is the wire set of its channel and slot; `prints` holds, by id, the last print's price,
    quantity and id, and is carried on.

    Raises:
        Damaged: on cut bytes, or a reserved value.
    """
    reader = Reader(data)
    first = reader.u8()
    kind, slot = (lambda b: (b & 15, b >> 4))(reader.u8()) if first & 8 else (0, 0)
    message = Message(kind, slot, first >> 4, bool(first & 1), reader.u8())
    time = (first >> 1) & 3
    if time == 1:
        code = reader.u8()
        message.lag_us = ((16 + (code & 15)) << (code >> 4)) - 16
    elif time == 2:
        message.lag_us = reader.little(2) * 16
    elif time == 3:
        _extended_head(message, Reader(reader.take(reader.u8())))
    if kind not in READERS:
        message.records = None
        return message
    for rank in _ranks(reader, message.gaps, len(ids)):
        record = {"id": ids[rank]}
        record.update(READERS[kind](reader, ids[rank], prints if prints is not None else {}))
        message.records.append(record)
    return message


def _extended_head(message: Message, part: Reader) -> None:
    if not part.left:
        return
    flags = part.u8()
    if flags & 1:
        message.whole_tick, message.frame = part.little(6), part.little(4)
    if flags & 2:
        part.little(2)
    if flags & 4:
        message.time_ns = part.little(8)


def _ranks(reader: Reader, gaps: bool, size: int):
    if size == 0:
        raise Damaged("empty wire set")
    if size == 1:
        yield 0
    elif gaps:
        rank = -1
        while reader.left:
            rank += 1 + reader.varint()
            if rank >= size:
                raise Damaged("rank beyond the wire set")
            yield rank
    else:
        bits = int.from_bytes(reader.take((size + 7) // 8), "little")
        if bits >> size:
            raise Damaged("rank beyond the wire set")
        for rank in range(size):
            if bits >> rank & 1:
                yield rank
    if reader.left:
        raise Damaged("bytes left over")


def _state(number: int) -> str:
    return STATES[number] if number < len(STATES) else "stale"


def _quote(reader: Reader, _id: int, _prints: dict) -> dict[str, Any]:
    control = reader.u8()
    code = control >> 5
    record = {"events": reader.varint() + 8 if code == 7 else code + 1, "bid": 0, "ask": 0, "bid_size": 0,
              "ask_size": 0, "state": None}
    if control & 31 == 0:
        part = Reader(reader.take(reader.u8()))
        if not part.left:
            return record
        flags = part.u8()
        if flags & 32:
            record["events"] = 0
        if flags & 1:
            record["state"] = _state(part.u8())
        if flags & 16:
            for name in ("bid", "ask", "bid_size", "ask_size"):
                record[name] = part.signed()
        return record
    if control & 1:
        bid, spread = _price(reader)
        record["bid"], record["ask"] = bid, bid + spread
    record["bid_size"] = unzigzag(reader.little(control >> 1 & 3))
    record["ask_size"] = unzigzag(reader.little(control >> 3 & 3))
    return record


def _price(reader: Reader) -> tuple[int, int]:
    byte = reader.u8()
    if byte < 16:
        bid = unzigzag(reader.little((byte & 3) + 1))
        return bid, unzigzag(reader.little(byte >> 2))
    if byte < 137:
        return (byte - 16) // 11 - 5, (byte - 16) % 11 - 5
    if byte < 255:
        size = 6 + (byte - 137) // 2
        return (-size if (byte - 137) % 2 else size), 0
    raise Damaged("reserved price byte: ask for repair")


def _quote_full(reader: Reader, _id: int, _prints: dict) -> dict[str, Any]:
    record = {"feed_epoch": reader.varint(), "state": _state(reader.u8()), "total": reader.varint(),
              "lost": reader.varint(), "bid": reader.signed()}
    record["ask"] = record["bid"] + reader.signed()
    record["bid_size"], record["ask_size"] = reader.varint(), reader.varint()
    return record


def _print(reader: Reader, last: tuple[int, int, int]) -> tuple[dict[str, Any] | str | None, bool]:
    control = reader.u8()
    side = "sell" if control & 2 else "buy"
    if control & 0x80:
        part = Reader(reader.take(reader.u8()))
        kind = part.u8()
        if kind == 3:
            return _state(part.u8()), bool(control & 1)
        if kind != 1:
            return None, bool(control & 1)
        price, qty, gap = part.signed(), part.varint(), part.signed()
    else:
        price = unzigzag(reader.little((0, 1, 2, 4)[control >> 2 & 3]))
        count = control >> 4 & 3
        qty = reader.little(count) if count else last[1]
        gap = reader.varint() if control & 0x40 else 0
    told = {"price": last[0] + price, "qty": qty, "trade_id": last[2] + 1 + gap, "side": side}
    return told, bool(control & 1)


def _prints(reader: Reader, symbol: int, prints: dict) -> dict[str, Any]:
    record: dict[str, Any] = {"prints": [], "state": None}
    another = True
    while another:
        told, another = _print(reader, prints.get(symbol, (0, 0, 0)))
        if isinstance(told, str):
            record["state"] = told
        elif told is not None:
            record["prints"].append(told)
            prints[symbol] = (told["price"], told["qty"], told["trade_id"])
    return record


def _totals(reader: Reader, symbol: int, prints: dict) -> dict[str, Any]:
    record: dict[str, Any] = {"feed_epoch": reader.varint(), "state": _state(reader.u8()), "total": reader.varint(),
                              "lost": reader.varint(), "volume": reader.varint(), "buy_volume": reader.varint()}
    notional = reader.varint() << 48 | reader.varint()
    record["notional"] = notional - (1 << 96) if notional >> 95 else notional
    price, qty, trade_id = reader.signed(), reader.varint(), reader.varint()
    record.update(price=price, qty=qty, trade_id=trade_id, listed=[])
    last = (price, qty, trade_id)
    for _ in range(reader.varint()):
        told, _another = _print(reader, last)
        if isinstance(told, dict):
            record["listed"].append(told)
            last = (told["price"], told["qty"], told["trade_id"])
    flags = reader.u8()
    record["range"], record["partial"] = None, bool(flags & 2)
    if flags & 1:
        first = price + reader.signed()
        record["range"] = {"first": first, "high": max(first, price) + reader.varint(),
                           "low": min(first, price) - reader.varint()}
    prints[symbol] = (price, qty, trade_id)
    return record


READERS = {0: _quote, 1: _quote_full, 2: _prints, 7: _totals}

"""What a record of the form `fixed` costs, at 50 records a frame: `python bench/decode.py`.

Decoding and accounting are measured apart. Prints the least, the median and the ninth decile of rounds; asserts nothing,
because a shared machine cannot promise a time.
"""

import platform
import statistics
import time

import numpy as np

from tickgate import fixed
from tickgate.account import Accounts

RECORDS, SYMBOLS, FRAMES, ROUNDS = 50, 200, 2_000, 31


def message(frame: int, kind: int, ids: np.ndarray, chance: np.random.Generator) -> bytes:
    """Quotes of these symbols."""
    table = np.zeros(len(ids), fixed.QUOTE)
    table["symbol"], table["epoch"] = ids, 1
    table["events"] = 1_000 if kind == 1 else chance.integers(1, 9, len(ids))
    table["bid"] = 6_100_000 + chance.integers(0, 1_000, len(ids))
    return fixed.HEADER.pack(64, kind, 1, 32, kind, 0, frame, 0, 0, 0) + table.tobytes()


def prints(frame: int, ids: np.ndarray) -> bytes:
    """One print each of these symbols."""
    table = np.zeros(len(ids), fixed.TRADE)
    table["symbol"], table["epoch"], table["qty"] = ids, 1, 3
    return fixed.HEADER.pack(56, 2, 1, 32, 0, 0, frame, 0, 0, 0) + table.tobytes()


def totals(frame: int, ids: np.ndarray) -> bytes:
    """Trade totals of these symbols."""
    table = np.zeros(len(ids), fixed.TRADE_TOTALS)
    table["symbol"], table["epoch"] = ids, 1
    return fixed.HEADER.pack(112, 7, 1, 32, 1, 0, frame, 0, 0, 0) + table.tobytes()


def row(name: str, round_ns: list[float]) -> None:
    """One line: ns a record."""
    per = sorted(ns / (FRAMES * RECORDS) for ns in round_ns)
    print(f"{name:34}{per[0]:8.1f}{statistics.median(per):8.1f}{per[int(len(per) * 0.9)]:8.1f}")


def rounds(act) -> list[float]:
    """Times of rounds, the first of which is left out."""
    times = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter_ns()
        act()
        times.append(time.perf_counter_ns() - began)
    return times[1:]


def accounted(name: str, first: bytes, channel: str, frames: list[bytes]) -> None:
    """Batches decoded before, so that accounting stands alone; each round is a session of its own."""
    batches = [fixed.decode(frame) for frame in frames]
    times = []
    for _ in range(ROUNDS):
        accounts = Accounts()
        accounts.joined(channel, range(SYMBOLS))
        accounts.take(fixed.decode(first))
        began = time.perf_counter_ns()
        for batch in batches:
            accounts.take(batch)
        times.append(time.perf_counter_ns() - began)
        if not accounts.identity_ok or accounts.gaps or accounts.total(channel).delivered != FRAMES * RECORDS:
            raise SystemExit("the frames are no session")
    row(name, times)


def main() -> None:
    """Measures and prints."""
    chance = np.random.default_rng(7)
    everyone = np.arange(SYMBOLS)
    picks = [np.sort(chance.choice(SYMBOLS, RECORDS, replace=False)) for _ in range(FRAMES)]
    quotes = [message(at + 2, 0, ids, chance) for at, ids in enumerate(picks)]
    trades = [prints(at + 2, ids) for at, ids in enumerate(picks)]
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {RECORDS} records a frame")
    print(f"{'ns a record':34}{'least':>8}{'median':>8}{'p90':>8}")
    unpack, frombuffer = fixed.HEADER.unpack_from, np.frombuffer
    row("header and np.frombuffer alone", rounds(lambda: [(unpack(f), frombuffer(f, fixed.QUOTE, -1, 32)) for f in quotes]))
    row("decoded into a batch", rounds(lambda: [fixed.decode(frame) for frame in quotes]))
    accounted("quotes accounted", message(1, 1, everyone, chance), "quote", quotes)
    accounted("prints accounted", totals(1, everyone), "trade", trades)


if __name__ == "__main__":
    main()

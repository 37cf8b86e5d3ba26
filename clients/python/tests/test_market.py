"""Books, bars and trading status as they are held: golden messages, the checksum and hashes of docs/protocol.md, a wrong
book, and what a client asks."""

import asyncio
import json
import random
import unittest

from test_account import DATA, Account, read
from test_golden import MESSAGES
from test_view_hash import Socket
from tickgate import Accounts, Client, book, compact, fixed

BASE = {"bids": [[6100010, 51900], [6100000, 7], [6099500, 300]], "asks": [[6100011, 300], [6100050, 9]]}
AFTER = {"bids": [[6100012, 40], [6100010, 50900], [6100000, 7]], "asks": [[6100050, 9], [6100400, 5000]]}
BASE_SUM, AFTER_SUM = 504012915, 370978172

def golden(name: str) -> bytes:
    return (DATA / next(told["file"] for told in MESSAGES if told["name"] == name)).read_bytes()

def renumbered(data: bytes, frame: int) -> fixed.Batch:
    return fixed.decode(data[:8] + frame.to_bytes(4, "little") + data[12:])

def update(events: int, levels: dict, checksum: int, *, begins: bool, symbol: int = 7, **more: int) -> list[dict]:
    """The records of one update."""
    told = [(side, price, qty) for side, name in enumerate(("bids", "asks")) for price, qty in levels[name]]
    rows = [{"symbol": symbol, "events": events, "side": side, "price": price, "qty": qty, **more} for side, price, qty in told]
    rows = rows or [{"symbol": symbol, "events": events, "flags": fixed.LEVEL_NONE, **more}]
    rows[0]["flags"] = rows[0].get("flags", 0) | (fixed.LEVEL_BEGINS if begins else 0)
    rows[-1]["flags"] = rows[-1].get("flags", 0) | fixed.LEVEL_ENDS
    rows[-1]["checksum"] = checksum
    return rows

def held(events: int = 1_500, ids: tuple[int, ...] = (7, 9)) -> Accounts:
    """Both symbols hold the golden base, at depth 3; frame 1 was read."""
    accounts = Accounts()
    accounts.joined("book", ids)
    accounts.book_depth(1, 3)
    accounts.book_depth(0, 3)
    rows = [row for symbol in ids for row in update(events, BASE, BASE_SUM, begins=True, symbol=symbol)]
    assert read(accounts, 1, 4, rows)
    return accounts

class Books(unittest.TestCase):
    def test_checksums_of_the_protocol(self) -> None:
        self.assertEqual(book.checksum(([], [])), 1714869021)
        self.assertEqual(book.checksum(([[6100010, 150000], [6100000, 1]], [[6100020, 2**40]])), 157042023)

    def test_a_book_follows_its_changes_and_its_account_adds_up(self) -> None:
        accounts = held()
        self.assertTrue(accounts.take(renumbered(golden("fixed-book"), 2)))
        one, other = accounts.book(7), accounts.book(9)
        self.assertEqual(({"bids": one.bids, "asks": one.asks}, one.checksum, one.total), (AFTER, AFTER_SUM, 1_505))
        self.assertEqual(({"bids": other.bids, "asks": other.asks}, other.state), (BASE, 2))
        self.assertEqual(accounts.total("book"), Account(5, 1, 4, 0, 2, 0))
        self.assertTrue(accounts.identity_ok)
        read(accounts, 3, 4, update(1_510, BASE, BASE_SUM, begins=True, lost=2))
        self.assertEqual(accounts.total("book"), Account(10, 2, 6, 2, 2, 0))

    def test_a_wrong_book_is_counted_and_hidden_until_the_next_full(self) -> None:
        accounts = held(ids=(7,))
        change = {"bids": [[6100012, 40]], "asks": []}
        self.assertFalse(read(accounts, 2, 3, update(1, change, 1, begins=False)))
        self.assertEqual((accounts.wrong_books, accounts.book(7), accounts.hash()), (1, None, None))
        self.assertTrue(read(accounts, 3, 3, update(1, change, 1, begins=False)), "there is nothing to change")
        self.assertEqual((accounts.wrong_books, accounts.gaps), (1, 0))
        self.assertTrue(read(accounts, 4, 4, update(1_502, BASE, BASE_SUM, begins=True)))
        self.assertEqual((accounts.book(7).bids, accounts.identity_ok), (BASE["bids"], True))

    def test_a_whole_book_may_be_told_by_a_change(self) -> None:
        accounts = held(ids=(7,))
        self.assertTrue(read(accounts, 2, 3, update(1, {"bids": [], "asks": []}, 1714869021, begins=True)))
        self.assertEqual((accounts.book(7).bids, accounts.book(7).asks, accounts.book(7).total), ([], [], 1_501))

    def test_another_epoch_and_a_lost_frame_void_the_base(self) -> None:
        accounts = held(ids=(7,))
        read(accounts, 2, 3, update(1, AFTER, 1, begins=False, epoch=2))
        self.assertEqual((accounts.book(7).total, accounts.wrong_books), (1_500, 0))
        self.assertFalse(read(accounts, 4, 3, update(1, AFTER, 1, begins=False)))
        self.assertEqual((accounts.book(7), accounts.wrong_books), (None, 0))

    def test_a_slot_that_symbols_move_to_keeps_the_depth(self) -> None:
        accounts = held(ids=(7,))
        accounts.book_depth(0, 20)
        accounts.moved(1, 0)
        told = book.checksum(([[6100012, 40], *BASE["bids"][:2]], BASE["asks"]))
        self.assertTrue(read(accounts, 2, 3, update(1, {"bids": [[6100012, 40]], "asks": []}, told, begins=False)))
        self.assertEqual(len(accounts.book(7).bids), 3)

    def test_records_that_do_not_belong_together_are_damage(self) -> None:
        good = update(1, BASE, BASE_SUM, begins=False)
        for harm in ({"flags": 0}, {"symbol": 9}, {"side": 2}, {"qty": -1}):
            with self.subTest(harm), self.assertRaises(fixed.Damaged):
                read(held(), 2, 3, [*good[:-1], good[-1] | harm])
        with self.assertRaises(fixed.Damaged):
            read(held(), 2, 4, good)
        with self.assertRaises(fixed.Damaged):
            read(Accounts(), 1, 4, good)

    def test_damaged_changes_of_compact_are_refused(self) -> None:
        ids, chance = [7], random.Random(3)
        for _ in range(2_000):
            data = bytearray(golden("compact-book"))
            data[chance.randrange(4, len(data))] ^= 1 << chance.randrange(8)
            books = {7: (BASE["bids"], BASE["asks"])}
            try:
                compact.decode(bytes(data), ids, books=books, depth=3)
            except fixed.Damaged:
                pass

class BarsAndStatus(unittest.TestCase):
    def test_the_newest_bar_is_held_until_a_frame_is_lost(self) -> None:
        accounts = Accounts()
        accounts.joined("bar", [7])
        self.assertTrue(accounts.take(renumbered(golden("fixed-bars"), 1)))
        self.assertEqual([int(accounts.bar(7)[name]) for name in ("tc", "close", "count")], [873, 6099990, 3])
        # Only the state: the bar stays; another epoch: it is void.
        read(accounts, 2, 5, [{"symbol": 7, "flags": fixed.BAR_NONE, "state": 2}])
        self.assertEqual(int(accounts.bar(7)["tc"]), 873)
        read(accounts, 3, 5, [{"symbol": 7, "flags": fixed.BAR_NONE, "epoch": 2}])
        self.assertEqual(int(accounts.bar(7)["tc"]), 0)
        self.assertFalse(accounts.heartbeat(5))
        self.assertIsNone(accounts.bar(7))

    def test_status_is_held_while_it_is_subscribed(self) -> None:
        accounts = Accounts()
        accounts.joined("status", [7])
        self.assertIsNone(accounts.hash())
        accounts.take(renumbered(golden("fixed-status"), 1))
        self.assertEqual([int(accounts.status(7)[name]) for name in ("status", "state")], [2, 1])
        self.assertTrue(accounts.holds(7))
        accounts.left("status", [7])
        self.assertEqual((accounts.status(7), accounts.holds(7), accounts.hash()), (None, False, "0" * 16))

    def test_the_hashes_of_the_protocol(self) -> None:
        bar = {"tc": 880, "start_us": 1_723_075_200_000_000, "close": 6_100_010, "volume": 150_000}
        levels = {"bids": [[6100010, 150000], [6100000, 1]], "asks": [[6100020, 2**40]]}
        wanted = {
            "book": (4, update(1_000, levels, 157042023, begins=True), "8d08549499b894e8"),
            "bar": (5, [{"symbol": 7, **bar}], "79a2297c591f6e67"),
            "status": (6, [{"symbol": 7, "state": 3, "status": 1}], "42e3a887f0cc0002"),
        }
        for channel, (kind, rows, told) in wanted.items():
            with self.subTest(channel):
                accounts = Accounts()
                accounts.joined(channel, [7])
                self.assertTrue(read(accounts, 1, kind, rows))
                self.assertEqual(accounts.hash(), told)

class Asks(unittest.IsolatedAsyncioTestCase):
    async def test_what_is_shown_and_statistics_are_asked_for(self) -> None:
        socket = Socket()
        client = Client(socket)
        self.addAsyncCleanup(client.close)

        async def asked(request, **answer: object) -> dict:
            task = asyncio.ensure_future(request)
            for _ in range(100):
                if len(socket.sent) > asked.count:
                    break
                await asyncio.sleep(0)
            asked.count += 1
            socket.waiting.put_nowait(json.dumps({"id": socket.sent[-1]["id"], **answer}))
            await asyncio.wait_for(task, 10)
            return {name: value for name, value in socket.sent[-1].items() if name not in ("id", "op")}

        asked.count = 0
        symbol = {"symbol": "S", "id": 7, "price_exponent": 0, "qty_exponent": 0, "tick_size": "1", "lot_size": "1",
                  "has_aggressor": True, "has_size": True}
        subscribed = {"op": "subscribed", "slot": 0, "symbols": [symbol]}
        base = {"symbols": ["S"], "interval_ms": 100}
        told = await asked(client.subscribe(["S"], "book", 100, depth=5), **subscribed, channel="book", depth=5)
        self.assertEqual(told, {"channel": "book", **base, "depth": 5})
        told = await asked(client.subscribe(["S"], "quote", 100, fields="price", filter=[[("bid", ">", "1")]]),
                           **subscribed, channel="quote")
        self.assertEqual(told, {"channel": "quote", **base, "fields": "price", "filter": [[["bid", ">", "1"]]]})
        self.assertEqual(await asked(client.stats(1_000), op="stats_set", every_ms=1_000), {"every_ms": 1_000})
        socket.waiting.put_nowait('{"op":"stats","backlog":3}')
        socket.waiting.put_nowait('{"op":"newer"}')
        await asyncio.wait_for(socket.waiting.join(), 10)
        self.assertEqual(client.last_stats["backlog"], 3)
        # The depth that was told is the one that the book is cut to.
        levels = {"bids": [[price, 1] for price in range(9, 2, -1)], "asks": []}
        told = book.checksum(([[price, 1] for price in range(9, 4, -1)], []))
        self.assertTrue(read(client.accounts, 1, 4, update(1, levels, told, begins=True)))
        self.assertEqual(len(client.book(7).bids), 5)
        self.assertIsNone(client.bar(7))
        self.assertIsNone(client.status(7))

if __name__ == "__main__":
    unittest.main()

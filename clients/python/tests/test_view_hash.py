"""The hash of the view (P11): the vectors of docs/protocol.md, the golden session, and what a client does about damage."""

import asyncio
import json
import unittest
import warnings

import numpy as np

from test_account import Replay, SESSION, message, read
from tickgate import Accounts, Client, fixed, view_hash

QUOTE = {"bid": 6_100_010, "ask": 6_100_020, "bid_size": 150_000, "ask_size": 1}


def holding(*channels: str, without_size: tuple[int, ...] = ()) -> Accounts:
    accounts = Accounts()
    for channel in channels:
        accounts.joined(channel, [7], without_size)
    return accounts


class Hash(unittest.TestCase):
    def setUp(self) -> None:
        warnings.simplefilter("error")  # a product that wraps is meant to

    def test_the_vectors_of_the_protocol(self) -> None:
        quotes, trades, both = holding("quote"), holding("trade"), holding("quote", "trade")
        self.assertIsNone(both.hash())
        full = (1, [{"symbol": 7, "events": 1_000, **QUOTE}])
        read(quotes, 1, *full)
        self.assertEqual(quotes.hash(), "9efeb623ee07c1d6")
        read(trades, 1, 7, [{"symbol": 7, "tc": 10, "volume": -5 - 2**40}])
        read(trades, 2, 2, [{"symbol": 7, "price": 5, "qty": 0}, {"symbol": 7, "price": -1, "qty": 2**40}])
        self.assertEqual(trades.hash(), "dea85d33a608631d")
        read(both, 1, *full)
        self.assertIsNone(both.hash())
        read(both, 2, 7, [{"symbol": 7, "tc": 12, "volume": -5, "price": -1, "qty": 2**40}])
        self.assertEqual(both.hash(), "7da71356941024f3")

    def test_the_price_of_an_absent_side_does_not_count_where_sizes_tell_that_it_is_absent(self) -> None:
        def of(bid: int, **more: tuple[int, ...]) -> str | None:
            accounts = holding("quote", **more)
            read(accounts, 1, 1, [{"symbol": 7, "events": 1, **QUOTE, "bid": bid, "bid_size": 0}])
            return accounts.hash()

        self.assertEqual(of(1), of(fixed.ABSENT))
        self.assertNotEqual(of(1, without_size=(7,)), of(2, without_size=(7,)))

    def test_longer_records_of_a_newer_gateway_are_held_as_well(self) -> None:
        accounts = holding("quote")
        table = np.zeros(1, np.dtype(fixed.QUOTE.descr + [("newer", "<u8")]))
        for name, value in ({"symbol": 7, "events": 1_000, "epoch": 1} | QUOTE).items():
            table[name] = value
        accounts.take(fixed.decode(fixed.HEADER.pack(72, 1, 1, 32, 0, 0, 1, 0, 0, 0) + table.tobytes()))
        self.assertEqual(accounts.hash(), "9efeb623ee07c1d6")

    def test_totals_and_volumes_count_mod_two_to_the_32(self) -> None:
        one, other = holding("trade"), holding("trade")
        read(one, 1, 7, [{"symbol": 7, "tc": 2**32 - 1, "volume": 2**62}])
        read(one, 2, 2, [{"symbol": 7, "price": 3, "qty": 1}])
        read(other, 1, 7, [{"symbol": 7, "tc": 0, "volume": 1, "price": 3, "qty": 1}])
        self.assertEqual(one.hash(), other.hash())

    def test_nothing_held_is_zero(self) -> None:
        self.assertEqual(Accounts().hash(), "0" * 16)
        nothing = np.zeros(0, np.int64)
        self.assertEqual(view_hash.summed([view_hash.prints(*[nothing] * 5)]), "0" * 16)

    def test_every_claim_of_the_golden_session_is_what_is_held(self) -> None:
        steps, claims = SESSION["steps"], 0
        for at, step in enumerate(steps):
            if step.get("text", {}).get("op") == "heartbeat":
                with self.subTest(at):
                    told = step["text"]["hash"]
                    self.assertEqual(Replay(steps[: at + 1]).accounts.hash(), told)
                    claims += told is not None
        self.assertEqual(claims, 7)


class Socket:
    """Hands out what is put into it, and keeps what is sent."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue = asyncio.Queue()
        self.sent: list[dict] = []

    def __aiter__(self) -> "Socket":
        return self

    async def __anext__(self) -> object:
        told = await self.waiting.get()
        self.waiting.task_done()
        if told is None:
            raise StopAsyncIteration
        return told

    async def send(self, text: str) -> None:
        self.sent.append(json.loads(text))

    async def close(self) -> None:
        self.waiting.put_nowait(None)


class Repair(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        self.socket, self.truth, self.frame = Socket(), holding("quote"), 0

    async def start(self, **options: bool) -> Client:
        client = Client(self.socket, **options)
        self.addAsyncCleanup(client.close)
        symbol = {"symbol": "S", "id": 7, "price_exponent": 0, "qty_exponent": 0, "tick_size": "1", "lot_size": "1",
                  "has_aggressor": True, "has_size": True}
        await self.say(op="subscribed", channel="quote", symbols=[symbol])
        await self.data(1, 1_000)
        return client

    async def put(self, told: object) -> None:
        """Returns when the client has read it: it asks for the next message then, and finds another one to skip."""
        self.socket.waiting.put_nowait(told)
        self.socket.waiting.put_nowait('{"op":"newer"}')
        await asyncio.wait_for(self.socket.waiting.join(), 10)

    async def say(self, **told: object) -> None:
        await self.put(json.dumps(told))

    async def data(self, kind: int, events: int, harm: int = 0) -> None:
        self.frame += 1
        record = {"symbol": 7, "events": events, **QUOTE}
        read(self.truth, self.frame, kind, [record])
        await self.put(message(self.frame, kind, [{**record, "bid": record["bid"] ^ harm}]))

    async def beat(self, told: str | None = None) -> None:
        await self.say(op="heartbeat", last_frame=self.frame, hash=told or self.truth.hash())

    async def test_damage_is_found_and_everything_asked_for_once(self) -> None:
        client = await self.start()
        await self.beat()
        await self.data(0, 2, harm=1)
        await self.beat()
        self.assertEqual([asked["op"] for asked in self.socket.sent], ["repair"])
        self.assertEqual((client.verified, client.mismatches), (1, 1))
        self.assertEqual([told["code"] for told in client.notices], ["view_mismatch"])
        await self.beat()
        self.assertEqual(client.mismatches, 1, "nothing is compared while the repair is under way")
        await self.say(op="repairing", id=self.socket.sent[0]["id"], symbols=1, rejected=[])
        await self.data(1, 1_002)
        await self.beat()
        self.assertEqual((client.verified, client.mismatches, len(self.socket.sent)), (2, 1, 1))

    async def test_a_difference_that_stays_is_acted_upon_less_often(self) -> None:
        client = await self.start()
        await self.beat("0" * 16)
        await self.say(op="repairing", id=self.socket.sent[0]["id"], symbols=1, rejected=[])
        await self.beat("0" * 16)
        self.assertEqual((client.mismatches, len(client.notices), len(self.socket.sent)), (2, 1, 1))

    async def test_a_repair_that_was_refused_is_asked_for_again(self) -> None:
        client = await self.start()
        await self.beat("0" * 16)
        await self.say(op="error", id=self.socket.sent[0]["id"], code="too_often", message="no")
        await self.beat()
        self.assertEqual((client.verified, len(self.socket.sent)), (0, 1), "it is asked for a second later")
        client._repaired_at = float("-inf")
        await self.beat()
        self.assertEqual([asked["op"] for asked in self.socket.sent], ["repair"] * 2)

    async def test_verification_can_be_turned_off(self) -> None:
        client = await self.start(verify=False)
        await self.beat("0" * 16)
        self.assertEqual((client.verified, client.mismatches, self.socket.sent), (0, 0, []))


if __name__ == "__main__":
    unittest.main()

"""Why shards are stale: kept until they are fresh or none of their symbols is held."""

import asyncio
import unittest

from test_view_hash import Socket

from tickgate import Client


class Stale(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        self.client = Client(Socket())
        self.addAsyncCleanup(self.client.close)
        for id_, shard in ((0, 1), (1, 1), (2, 2)):
            await self.join("quote", id_, shard)

    async def join(self, channel: str, id_: int, shard: int) -> None:
        symbol = {"symbol": f"S{id_}", "id": id_, "price_exponent": 0, "qty_exponent": 0, "tick_size": "1",
                  "lot_size": "1", "has_aggressor": True, "has_size": True, "shard": shard}
        await self.say(op="subscribed", channel=channel, symbols=[symbol])

    async def say(self, **told: object) -> None:
        await self.client._control(told)

    async def notice(self, code: str, shard: int, **more: object) -> None:
        await self.say(op="notice", code=code, shard=shard, **more)

    async def test_a_reason_stands_until_another_one_or_fresh(self) -> None:
        self.assertEqual(self.client.instruments[2].shard, 2)
        await self.notice("stale", 1, reason="feed_silent", age_ms=412)
        await self.notice("stale", 2, reason="bus_lost", age_ms=1)
        await self.notice("stale", 1, reason="sequence_gap", age_ms=900)
        await self.notice("feed_restarted", 1, feed_epoch=2)
        self.assertEqual(self.client.stale, {1: "sequence_gap", 2: "bus_lost"})
        await self.notice("fresh", 1)
        await self.notice("fresh", 1)
        self.assertEqual(self.client.stale, {2: "bus_lost"})
        self.assertEqual([told["code"] for told in self.client.notices][-2:], ["fresh", "fresh"])

    async def test_a_reason_goes_with_the_last_symbol_of_its_shard_and_not_before(self) -> None:
        await self.join("trade", 1, 1)
        await self.notice("stale", 1, reason="feed_silent", age_ms=1)
        await self.notice("stale", 2, reason="bus_lost", age_ms=1)
        await self.say(op="unsubscribed", channel="quote", ids=[0, 1])
        self.assertEqual(set(self.client.stale), {1, 2}, "its prints are held yet")
        await self.say(op="unsubscribed", channel="trade", ids=[1])
        self.assertEqual(self.client.stale, {2: "bus_lost"})

    async def test_an_age_is_asked_for_only_where_it_is_given(self) -> None:
        asked = [asyncio.create_task(self.client.subscribe(["S*"], max_age_ms=250)),
                 asyncio.create_task(self.client.subscribe(["S*"]))]
        sent = self.client._socket.sent
        await asyncio.sleep(0)
        self.assertEqual([told.get("max_age_ms") for told in sent], [250, None])
        self.assertNotIn("max_age_ms", sent[1])
        for told in sent:
            await self.say(op="subscribed", id=told["id"], channel="quote", symbols=[], rejected=[])
        await asyncio.wait_for(asyncio.gather(*asked), 10)


if __name__ == "__main__":
    unittest.main()

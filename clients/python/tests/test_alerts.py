"""Alerts and operators: what is asked, and what is told without being asked."""

import asyncio
import unittest

from test_view_hash import Socket

from tickgate import Client, TickgateError


class Alerts(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        self.client = Client(Socket())
        self.addAsyncCleanup(self.client.close)

    async def ask(self, asking: object, *answers: dict) -> tuple[dict, object]:
        """Runs a request and answers it; returns what was sent and what came of it."""
        task = asyncio.create_task(asking)
        await asyncio.sleep(0)
        sent = self.client._socket.sent[-1]
        for answer in answers:
            await self.client._control({"id": sent["id"], **answer})
        return sent, await asyncio.wait_for(task, 10)

    async def test_an_alert_is_asked_for_as_it_was_written(self) -> None:
        condition = {"on": "bid", "crosses": "up", "level": "61000.10"}
        sent, reply = await self.ask(
            self.client.alert_new("a-1", "S0", condition, note="top"),
            {"op": "alert.reply", "cl_alert_id": "a-1", "outcome": "stored"})
        self.assertEqual(sent, {"op": "alert.new", "id": sent["id"], "cl_alert_id": "a-1", "symbol": "S0",
                                "condition": condition, "note": "top"})
        self.assertEqual(reply["outcome"], "stored")
        sent, _ = await self.ask(self.client.alert_cancel("a-1"), {"op": "alert.reply", "outcome": "stored"})
        self.assertEqual((sent["op"], sent["cl_alert_id"]), ("alert.cancel", "a-1"))
        with self.assertRaises(TickgateError) as refused:
            await self.ask(self.client.alert_new("a-2", "S0", condition, expires_us=5),
                           {"op": "error", "code": "alert_expired", "message": "over"})
        self.assertEqual((refused.exception.code, self.client._socket.sent[-1]["expires_us"]), ("alert_expired", 5))

    async def test_what_the_log_says_waits_and_lists_come_whole(self) -> None:
        await self.client._control({"op": "alert", "seq": 3, "cl_alert_id": "a-1", "state": "fired"})
        self.assertEqual(self.client.alerts.get_nowait()["state"], "fired")
        _, alerts = await self.ask(
            self.client.standing_alerts(),
            {"op": "alerts", "alerts": [{"cl_alert_id": "a"}], "more": True},
            {"op": "alerts", "alerts": [{"cl_alert_id": "b"}], "more": False})
        self.assertEqual([alert["cl_alert_id"] for alert in alerts], ["a", "b"])
        _, listed = await self.ask(
            self.client.sessions("A1"),
            {"op": "sessions", "sessions": [{"number": 1}], "more": True},
            {"op": "sessions", "sessions": [{"number": 2}], "gateways": [], "missing": ["g"], "more": False})
        self.assertEqual(([one["number"] for one in listed["sessions"]], listed["missing"]), ([1, 2], ["g"]))
        sent, _ = await self.ask(self.client.notice_send("soon"), {"op": "notice.sent", "ts_us": 5})
        self.assertEqual((sent["op"], sent["text"], "account" in sent), ("notice.send", "soon", False))
        await self.client._control({"op": "notice", "code": "operator", "text": "soon", "from": "OPS", "ts_us": 5})
        self.assertEqual(self.client.notices[-1]["from"], "OPS")


if __name__ == "__main__":
    unittest.main()

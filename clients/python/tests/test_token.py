"""A fresh token is sent when the gateway says that the old one ends."""

import asyncio
import unittest

from test_view_hash import Socket

from tickgate import Client


class Renewed(unittest.IsolatedAsyncioTestCase):
    async def renew(self, token: object, code: str) -> Client:
        client = Client(Socket(), token=token)
        self.addAsyncCleanup(client.close)
        await client._control({"op": "notice", "code": code})
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return client

    def sent(self, client: Client) -> list[dict]:
        return client._socket.sent

    async def test_a_function_is_asked_async_or_not(self) -> None:
        async def later() -> str:
            return "t2"

        for token in (later, lambda: "t2"):
            for code in ("token_expiring", "token_expired"):
                client = await self.renew(token, code)
                self.assertEqual([(told["op"], told["token"]) for told in self.sent(client)], [("auth", "t2")])

    async def test_a_text_stays_and_a_failure_is_a_notice(self) -> None:
        self.assertEqual(self.sent(await self.renew("t", "token_expiring")), [])

        def failing() -> str:
            raise OSError("no issuer")

        client = await self.renew(failing, "token_expiring")
        self.assertEqual([told["code"] for told in client.notices], ["token_expiring", "token_not_renewed"])


if __name__ == "__main__":
    unittest.main()

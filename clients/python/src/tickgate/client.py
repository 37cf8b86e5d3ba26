"""An async client: market data in the form `fixed` as numpy batches, and orders on the same socket."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import websockets

from .account import Accounts
from .book import Book
from .fixed import ABSENT, Batch, Damaged, decode

REPAIR_EVERY_S = 1.0
"""The gateway takes one repair a second."""
ACT_AGAIN_MAX_S = 60.0
"""A difference that repairs do not end is acted upon at least this often."""
QUEUE_MAX = 1_000
"""Batches kept for a slow reader; beyond it reading stops, and the gateway conflates harder."""


Token = str | Callable[[], str | Awaitable[str]]
"""A token, or a function (async or not) that gives a fresh one."""


async def _text_of(token: Token) -> str:
    given = token() if callable(token) else token
    return await given if inspect.isawaitable(given) else given


@dataclass(frozen=True)
class Instrument:
    """What `subscribed` says of an instrument."""

    symbol: str
    id: int
    price_exponent: int
    qty_exponent: int
    tick_size: str
    lot_size: str
    has_aggressor: bool
    has_size: bool
    shard: int | None = None
    """Why symbols are stale is told a shard at a time."""

    def price(self, mantissa: int) -> Decimal | None:
        """A price, exactly; None when that side is absent."""
        return None if mantissa == ABSENT else Decimal(int(mantissa)).scaleb(self.price_exponent)

    def qty(self, mantissa: int) -> Decimal:
        """A quantity, exactly."""
        return Decimal(int(mantissa)).scaleb(self.qty_exponent)


class TickgateError(RuntimeError):
    """An error that the gateway answered; `code` is its word in the registry."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(f"{answer.get('code')}: {answer.get('message')}")
        self.code = answer.get("code")


class Client:
    """One session. Iterate it for batches; reports, alerts and notices wait in `reports`, `alerts` and `notices`."""

    def __init__(self, socket: websockets.ClientConnection, verify: bool = True, token: Token | None = None) -> None:
        self._socket = socket
        self._token = token
        self._renewing: asyncio.Task[None] | None = None
        self._verify = verify
        self._batches: asyncio.Queue[Batch | None] = asyncio.Queue(QUEUE_MAX)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._next_id = 0
        self._parts: dict[int, list[dict[str, Any]]] = {}
        self._needs_repair = False
        self._repaired_at = float("-inf")
        self._repair_id: int | None = None
        self._reader = asyncio.create_task(self._read())
        self.instruments: dict[int, Instrument] = {}
        """By id, as `subscribed` and `added` told them."""
        self.reports: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.alerts: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        """What the log says of the account's alerts; `seq` is of the same row of numbers as that of reports."""
        self.notices: list[dict[str, Any]] = []
        self.stale: dict[int, str] = {}
        """Why shards are stale, until they are fresh or none of their symbols is held."""
        self.welcome: dict[str, Any] = {}
        self.last_stats: dict[str, Any] | None = None
        """What `stats` told last."""
        self.accounts = Accounts()
        """What became of every event that was published for this session."""
        self.damaged = 0
        """Messages that could not be read."""
        self.verified = 0
        """Heartbeats whose hash was that of what is held."""
        self.mismatches = 0
        """Heartbeats whose hash was another: everything is asked for in full, and `notices` tell `view_mismatch`."""
        self._failures = 0
        self._act_at = float("-inf")

    @property
    def frames_lost(self) -> int:
        """Times that frames were missing; each was answered with a request for repair."""
        return self.accounts.gaps

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Says goodbye."""
        await self._socket.close()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def request(self, op: str, **fields: Any) -> dict[str, Any]:
        """Sends a request and waits for its reply.

        Raises:
            TickgateError: when the reply is an error.
        """
        self._next_id += 1
        future = asyncio.get_running_loop().create_future()
        self._waiting[self._next_id] = future
        await self._socket.send(json.dumps({"op": op, "id": self._next_id, **fields}))
        answer = await future
        if answer["op"] == "error":
            raise TickgateError(answer)
        return answer

    async def subscribe(self, symbols: Iterable[str], channel: str = "quote", interval_ms: int = 50,
                        max_age_ms: int | None = None, *, fields: str | None = None,
                        filter: list[list[tuple[str, str, str]]] | None = None, depth: int | None = None,
                        period: str | None = None) -> dict[str, Any]:
        """Subscribes; patterns with `*` are allowed. The reply names what was refused, item by item. Shards of which the last
        proof is older than `max_age_ms` are told as stale.

        Of quotes and prints `fields` tells what is shown: `all`, `price` or `coarse`. `filter` lets through the symbols whose
        quote holds all comparisons of at least one list: `[[("bid", ">", "61000")]]`. Books have a `depth` of 5, 10 or 20
        levels a side, bars a `period` of `1s` or `1m`. The gateway refuses what says nothing about the channel."""
        asked = {"max_age_ms": max_age_ms, "fields": fields, "filter": filter, "depth": depth, "period": period}
        told = {name: value for name, value in asked.items() if value is not None}
        return await self.request("subscribe", channel=channel, symbols=list(symbols), interval_ms=interval_ms, **told)

    async def stats(self, every_ms: int) -> dict[str, Any]:
        """Asks for this session's statistics so often (1,000 to 60,000 ms; 0 = no more); `last_stats` then holds them."""
        return await self.request("stats", every_ms=every_ms)

    def book(self, symbol: int) -> Book | None:
        """A symbol's book by its id; None while it has not come, or is not what its checksum says."""
        return self.accounts.book(symbol)

    def bar(self, symbol: int) -> np.void | None:
        """A symbol's newest bar, dtype `fixed.BAR`; None while nothing has come."""
        return self.accounts.bar(symbol)

    def status(self, symbol: int) -> np.void | None:
        """A symbol's trading status, dtype `fixed.STATUS`; None while none has come."""
        return self.accounts.status(symbol)

    async def order_new(self, cl_ord_id: str, symbol: str, side: str, qty: str, price: str | None = None,
                        tif: str = "day") -> dict[str, Any]:
        """Sends an order: limit with a price, market without. Prices and quantities are decimal text."""
        fields = {"cl_ord_id": cl_ord_id, "symbol": symbol, "side": side, "qty": qty, "tif": tif,
                  "type": "market" if price is None else "limit"}
        if price is not None:
            fields["price"] = price
        return await self.request("order.new", **fields)

    async def order_cancel(self, cl_ord_id: str, orig_cl_ord_id: str) -> dict[str, Any]:
        """Cancels the order that `orig_cl_ord_id` names."""
        return await self.request("order.cancel", cl_ord_id=cl_ord_id, orig_cl_ord_id=orig_cl_ord_id)

    async def alert_new(self, cl_alert_id: str, symbol: str, condition: dict[str, Any], expires_us: int | None = None,
                        note: str = "") -> dict[str, Any]:
        """Sets an alert, once for ever by its id. `condition`: {"on": "bid", "crosses": "up", "level": "61000.10"} (or
        ask, last; down), {"on": "spread", "above_ticks": 3} or {"on": "stale", "longer_than_ms": 500}. What becomes of it
        waits in `alerts`."""
        fields: dict[str, Any] = {} if expires_us is None else {"expires_us": expires_us}
        if note:
            fields["note"] = note
        return await self.request("alert.new", cl_alert_id=cl_alert_id, symbol=symbol, condition=condition, **fields)

    async def alert_cancel(self, cl_alert_id: str) -> dict[str, Any]:
        """Ends an alert: the answer is definite, also when it had fired or never was."""
        return await self.request("alert.cancel", cl_alert_id=cl_alert_id)

    async def standing_alerts(self) -> list[dict[str, Any]]:
        """The account's standing alerts, oldest first."""
        return (await self.request("alerts"))["alerts"]

    async def notice_send(self, text: str, account: str | None = None) -> dict[str, Any]:
        """Says something to all live sessions, or to those of an account. Only for operators."""
        return await self.request("notice.send", text=text, **({} if account is None else {"account": account}))

    async def sessions(self, account: str | None = None) -> dict[str, Any]:
        """Live `sessions` of all `gateways`; those that did not answer are in `missing`. Only for operators."""
        return await self.request("sessions", **({} if account is None else {"account": account}))

    async def __aiter__(self) -> AsyncIterator[Batch]:
        while (batch := await self._batches.get()) is not None:
            yield batch

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                if isinstance(message, bytes):
                    await self._data(message)
                else:
                    await self._control(json.loads(message))
        except websockets.ConnectionClosed:
            pass
        finally:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(ConnectionError("the socket ended"))
            await self._batches.put(None)

    async def _data(self, message: bytes) -> None:
        try:
            batch = decode(message)
            self._needs_repair |= not self.accounts.take(batch)
        except Damaged:
            self.damaged += 1
            self._needs_repair = True
            return
        finally:
            await self._repair()
        if len(batch.records):
            await self._batches.put(batch)

    async def _repair(self) -> None:
        """Asks for everything in full, at most once a second; what could not be asked is asked with a later message."""
        now = asyncio.get_running_loop().time()
        if self._needs_repair and now - self._repaired_at >= REPAIR_EVERY_S:
            self._needs_repair, self._repaired_at = False, now
            self._next_id += 1
            self._repair_id = self._next_id
            await self._socket.send(json.dumps({"op": "repair", "id": self._repair_id}))

    def _compare(self, told: str | None) -> None:
        """Compares what is held with a heartbeat's hash; not while something is missing or a repair is under way."""
        if told is None or self._needs_repair or self._repair_id is not None or not self._verify:
            return
        if self.accounts.hash() == told:
            self.verified += 1
            self._failures = 0
            return
        self.mismatches += 1
        now = asyncio.get_running_loop().time()
        if now >= self._act_at:
            # A difference that stays is acted upon less and less often.
            self._act_at = now + min(ACT_AGAIN_MAX_S, 2.0**self._failures)
            self._failures += 1
            self._needs_repair = True
            self.notices.append({"op": "notice", "code": "view_mismatch", "hash": told})

    async def _control(self, answer: dict[str, Any]) -> None:
        op = answer.get("op")
        if op in ("subscribed", "added"):
            for told in answer["symbols"]:
                instrument = Instrument(**{name: told[name] for name in Instrument.__dataclass_fields__ if name in told})
                self.instruments[instrument.id] = instrument
            without_size = [told["id"] for told in answer["symbols"] if not told["has_size"]]
            self.accounts.joined(answer["channel"], [told["id"] for told in answer["symbols"]], without_size)
            if answer.get("depth") is not None:
                self.accounts.book_depth(answer["slot"], answer["depth"])
        elif op == "rate_set":
            if answer["slot"] is not None and answer["from_slot"] is not None:
                self.accounts.moved(answer["from_slot"], answer["slot"])
        elif op == "unsubscribed":
            self.accounts.left(answer["channel"], answer["ids"])
            held = {one.shard for one in self.instruments.values() if self.accounts.holds(one.id)}
            self.stale = {shard: why for shard, why in self.stale.items() if shard in held}
        if op == "heartbeat":
            self._needs_repair |= not self.accounts.heartbeat(answer["last_frame"])
            self._compare(answer.get("hash"))
            await self._repair()
        elif op == "report":
            await self.reports.put(answer)
        elif op == "alert":
            await self.alerts.put(answer)
        elif op == "notice":
            self._noticed(answer)
        elif op == "stats":
            self.last_stats = answer
        else:
            self._answered(answer)

    def _noticed(self, notice: dict[str, Any]) -> None:
        self.notices.append(notice)
        if notice["code"] == "stale":
            self.stale[notice["shard"]] = notice["reason"]
        elif notice["code"] == "fresh":
            self.stale.pop(notice["shard"], None)
        elif notice["code"] in ("token_expiring", "token_expired") and callable(self._token):
            self._renewing = asyncio.create_task(self._renew_token())

    async def _renew_token(self) -> None:
        """Sends a fresh token; what goes wrong is a notice, and the gateway ends the session in its own time."""
        try:
            await self.request("auth", token=await _text_of(self._token or ""))
        except Exception as error:  # noqa: BLE001 the function is the user's
            self.notices.append({"op": "notice", "code": "token_not_renewed", "message": str(error)})

    def _answered(self, answer: dict[str, Any]) -> None:
        """Settles a request with its answer; parts become one, so that no refusal of an earlier part is left out."""
        request = answer.get("id", -1)
        if request == self._repair_id:
            # What was refused is asked for again: a lost frame may have no other sign.
            self._repair_id, self._needs_repair = None, self._needs_repair or answer["op"] == "error"
        parts = self._parts.setdefault(request, [])
        parts.append(answer)
        if answer.get("more"):
            return
        del self._parts[request]
        for name in ("symbols", "ids", "rejected", "orders", "alerts", "sessions"):
            if isinstance(answer.get(name), list):
                answer[name] = [item for part in parts for item in part.get(name, [])]
        if (future := self._waiting.pop(request, None)) and not future.done():
            future.set_result(answer)


async def connect(url: str, account: str | None = None, session: str = "python", verify: bool = True,
                  token: Token | None = None) -> Client:
    """Opens a session. With an account (development mode) or a token it may trade; a function gives a fresh token when the
    gateway says that the old one ends. `verify`: whether what is held is compared with the
    hash of each heartbeat."""
    socket = await websockets.connect(url, subprotocols=["tickgate.v1.fixed"], compression=None, max_size=1 << 20)
    client = Client(socket, verify, token)
    fields = {"session": session} | ({"account": account} if account else {})
    if token is not None:
        fields["token"] = await _text_of(token)
    client.welcome = await client.request("hello", **fields)
    return client

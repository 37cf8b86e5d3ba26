"""Prints quotes for a while and places one order: `python watch.py ws://127.0.0.1:8080/ws`."""

import asyncio
import sys
import time

import tickgate


async def main(url: str) -> None:
    async with await tickgate.connect(url, account="A1") as client:
        await client.subscribe(["*"], "quote", interval_ms=100)
        quotes, until, ordered = 0, time.monotonic() + 3, False
        async for batch in client:
            quotes += len(batch.records)
            live = batch.records[batch.records["state"] == 0]
            if not ordered and len(live):
                last = live[-1]
                instrument = client.instruments[int(last["symbol"])]
                print(f"{instrument.symbol}: {instrument.price(last['bid'])} / {instrument.price(last['ask'])}")
                reply = await client.order_new(f"watch-{time.time_ns()}", instrument.symbol, "buy", instrument.lot_size)
                print("order:", reply["outcome"], "report:", (await client.reports.get())["exec_type"])
                ordered = True
            if time.monotonic() > until:
                break
        print(f"{quotes} quotes of {len(client.instruments)} instruments, {client.frames_lost} frames lost")


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8080/ws"))

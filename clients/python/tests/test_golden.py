"""The golden files of the protocol, as the Rust and TypeScript readers read them."""

import json
import random
import unittest
from pathlib import Path

from tickgate import compact, fixed

DATA = Path(__file__).parents[3] / "wire/tests/data"
MESSAGES = json.loads((DATA / "manifest.json").read_text())["messages"]


def of(form: str) -> list[dict]:
    return [message for message in MESSAGES if message["form"] == form]


def plain(record: dict) -> dict:
    """Numbers that JSON holds as text become numbers."""
    return {name: int(value) if name == "notional" else value for name, value in record.items()}


class Golden(unittest.TestCase):
    def test_every_compact_message_reads_as_told(self) -> None:
        self.assertGreater(len(of("compact")), 10)
        for told in of("compact"):
            with self.subTest(told["name"]):
                prints = {}
                for symbol, base in zip(told["set"], told.get("base") or []):
                    if base and "trade_id" in base:
                        prints[base.get("id", symbol)] = (base["price"], base["qty"], base["trade_id"])
                message = compact.decode((DATA / told["file"]).read_bytes(), told["set"], prints)
                for name, value in told["head"].items():
                    value = int(value) if isinstance(value, str) else value
                    self.assertEqual(getattr(message, name), value, name)
                records = told["records"] and [plain(record) for record in told["records"]]
                self.assertEqual(message.records, records)

    def test_every_fixed_message_reads_as_told(self) -> None:
        self.assertGreater(len(of("fixed")), 3)
        for told in of("fixed"):
            with self.subTest(told["name"]):
                batch = fixed.decode((DATA / told["file"]).read_bytes())
                self.assertEqual((batch.kind, batch.frame, batch.slot),
                                 (told["head"]["kind"], told["head"]["frame"], told["head"]["slot"]))
                self.assertEqual(len(batch.records), len(told["records"]))
                for record, expected in zip(batch.records, told["records"]):
                    for name in ("bid", "ask", "price", "qty", "bid_size", "ask_size", "volume", "trade_id"):
                        if name in expected and name in record.dtype.names:
                            value = fixed.ABSENT if expected[name] is None else int(expected[name])
                            self.assertEqual(int(record[name]), value, name)

    def test_damaged_messages_are_refused_and_nothing_else(self) -> None:
        chance = random.Random(5)
        for told in of("compact") + of("fixed"):
            data = (DATA / told["file"]).read_bytes()
            for _ in range(200):
                broken = bytearray(data[: chance.randrange(len(data) + 1)])
                for _ in range(chance.randrange(3)):
                    if broken:
                        broken[chance.randrange(len(broken))] = chance.randrange(256)
                try:
                    if told["form"] == "fixed":
                        fixed.decode(bytes(broken))
                    else:
                        compact.decode(bytes(broken), told["set"])
                except fixed.Damaged:
                    pass


if __name__ == "__main__":
    unittest.main()

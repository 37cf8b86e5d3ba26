"""The golden files of the protocol, as the Rust and TypeScript readers read them."""

import json
import random
import unittest
from pathlib import Path

import numpy as np

from tickgate import compact, fixed
from tickgate.book import LEVELS_MAX

DATA = Path(__file__).parents[3] / "wire/tests/data"
STATES = ("live", "quiet", "stale", "halted", "out")
STATUSES = ("open", "halted", "closed", "source_stale")
MESSAGES = json.loads((DATA / "manifest.json").read_text())["messages"]


def of(form: str) -> list[dict]:
    return [message for message in MESSAGES if message["form"] == form]


def plain(record: dict) -> dict:
    """Numbers that JSON holds as text become numbers."""
    record = {name: int(value) if name == "notional" else value for name, value in record.items()}
    return record | {"bars": [plain(bar) for bar in record["bars"]]} if "bars" in record else record


def told_of(record: np.void) -> dict:
    """A record's fields as plain numbers."""
    return {name: int(record[name]) for name in record.dtype.names if name != "pad"}


def as_fields(told: dict) -> dict:
    """The manifest's record with the wire's names and numbers."""
    fields = {name: fixed.ABSENT if value is None else value for name, value in told.items()}
    fields["state"] = STATES.index(told["state"]) if "state" in told else None
    if "side" in told:
        fields["aggressor"] = (None, "buy", "sell").index(told["side"])
    if "notional" in told:
        notional = int(told["notional"])
        fields |= {"notional_low": notional % 2**64, "notional_high": notional >> 64}
    if "range" in told:
        fields |= told["range"] or dict.fromkeys(("first", "high", "low"), fixed.ABSENT)
    if "book_side" in told:
        fields["side"] = ("bid", "ask").index(told["book_side"])
    if "status" in told:
        fields["status"] = STATUSES.index(told["status"])
    drop = ("notional", "range", "book_side", *(("side",) if "aggressor" in fields else ()))
    return {name: int(value) for name, value in fields.items() if name not in drop and value is not None}


class Golden(unittest.TestCase):
    def test_every_compact_message_reads_as_told(self) -> None:
        self.assertGreater(len(of("compact")), 10)
        for told in of("compact"):
            with self.subTest(told["name"]):
                prints = {}
                for symbol, base in zip(told["set"], told.get("base") or []):
                    if base and "trade_id" in base:
                        prints[base.get("id", symbol)] = (base["price"], base["qty"], base["trade_id"])
                books = {base["id"]: (base["bids"], base["asks"]) for base in told.get("base") or [] if base and "bids" in base}
                depth = told.get("depth", LEVELS_MAX)
                message = compact.decode((DATA / told["file"]).read_bytes(), told["set"], prints, books, depth)
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
                head = told["head"]
                self.assertEqual((batch.kind, batch.slot, batch.frame, batch.listed, batch.ts_flush, batch.watermark),
                                 (head["kind"], head["slot"], head["frame"], bool(head["flags"] & fixed.LISTED),
                                  int(head["ts_flush"]), head["watermark"] and int(head["watermark"])))
                self.assertEqual([told_of(record) for record in batch.records], [as_fields(r) for r in told["records"]])

    def test_every_file_of_a_form_that_is_read_here_was_in_the_manifest(self) -> None:
        read = {message["file"] for message in of("compact") + of("fixed")}
        self.assertEqual(read, {path.name for path in DATA.glob("*.bin")})

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

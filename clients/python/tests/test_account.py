"""The account of every event: whole golden sessions, and what they do not hold."""

import json
import unittest
from pathlib import Path

import numpy as np

from tickgate import fixed
from tickgate.account import Account, Accounts

DATA = Path(__file__).parents[3] / "wire/tests/data"
SESSION = next(one for one in json.loads((DATA / "sessions.json").read_text())["sessions"] if one["form"] == "fixed")
STATES = ("live", "quiet", "stale", "halted")


def message(frame: int, kind: int, records: list[dict], listed: bool = False) -> bytes:
    """One message; what a record does not name is 0, its epoch 1."""
    table = np.zeros(len(records), fixed.KINDS[kind])
    for row, told in zip(table, records):
        for name, value in ({"epoch": 1} | told).items():
            row[name] = value
    return fixed.HEADER.pack(table.itemsize, kind, 1, 32, 2 if listed else 0, 0, frame, 0, 0, 0) + table.tobytes()


def read(accounts: Accounts, *args: object, **named: bool) -> bool:
    return accounts.take(fixed.decode(message(*args, **named)))


def account(told: dict) -> Account:
    return Account(told["published"], told["delivered"], told["merged"], told["declared_lost"], told["periods"],
                   told["broken"])


class Replay:
    """Reads the steps of a session as the client does, and keeps what is shown."""

    def __init__(self, steps: list[dict]) -> None:
        self.accounts, self.repairs, self.shown = Accounts(), [], {}
        for at, step in enumerate(steps):
            if at == len(steps) - 1:
                self.before_last = {symbol: row for symbol, row in self.shown.items()
                                    if self.accounts.based("quote", symbol)}
            if not (self.data(step["hex"]) if "hex" in step else self.control(step["text"])):
                self.repairs.append(at)

    def data(self, text: str) -> bool:
        batch = fixed.decode(bytes.fromhex(text))
        whole = self.accounts.take(batch)
        if batch.kind in (0, 1):
            for record in batch.records:
                if self.accounts.based("quote", int(record["symbol"])):
                    self.shown[int(record["symbol"])] = record
        return whole

    def control(self, told: dict) -> bool:
        if told["op"] == "subscribed":
            self.accounts.joined(told["channel"], [symbol["id"] for symbol in told["symbols"]])
        elif told["op"] == "unsubscribed":
            self.accounts.left(told["channel"], told["ids"])
        elif told["op"] == "heartbeat":
            return self.accounts.heartbeat(told["last_frame"])
        return True


class Session(unittest.TestCase):
    def test_the_golden_session_ends_with_the_accounts_and_quotes_that_it_must(self) -> None:
        replay = Replay(SESSION["steps"])
        self.assertEqual(replay.repairs, SESSION["repair_after_steps"])
        for channel in ("quote", "trade"):
            total = replay.accounts.total(channel)
            self.assertEqual(total, account(SESSION["accounts"][channel]))
            self.assertTrue(total.identity_ok)
        self.assertTrue(replay.accounts.identity_ok)
        for told in SESSION["quotes_before_last_step"]:
            record = replay.before_last[told["id"]]
            shown = {name: int(record[name]) for name in ("bid", "ask", "bid_size", "ask_size")}
            self.assertEqual(shown, {name: told[name] for name in shown})
            self.assertEqual(STATES[record["state"]], told["state"])

    def test_each_symbol_has_its_own_account(self) -> None:
        table = Replay(SESSION["steps"]).accounts.table("quote")
        self.assertEqual([tuple(row) for row in table],
                         [(7, 48, 7, 37, 4, 2, 0, True), (9, 1, 1, 0, 0, 1, 0, True)])

    def test_without_any_one_frame_a_repair_is_asked_for_and_it_still_adds_up(self) -> None:
        frames = [at for at, step in enumerate(SESSION["steps"]) if "hex" in step]
        self.assertGreater(len(frames), 10)
        for missing in frames:
            with self.subTest(missing):
                steps = [step for at, step in enumerate(SESSION["steps"]) if at != missing]
                replay = Replay(steps)
                self.assertGreaterEqual(len(replay.repairs), 2)
                self.assertTrue(replay.accounts.identity_ok)


class Rules(unittest.TestCase):
    def accounts(self, channel: str = "quote") -> Accounts:
        accounts = Accounts()
        accounts.joined(channel, [7, 9])
        return accounts

    def test_another_epoch_voids_the_base_until_the_symbol_comes_in_full(self) -> None:
        accounts = self.accounts()
        read(accounts, 1, 0, [{"symbol": 7, "events": 4}])
        self.assertEqual(accounts.total("quote"), Account(0, 0, 0, 0, 0, 0))
        read(accounts, 2, 1, [{"symbol": 7, "events": 10}, {"symbol": 9, "events": 1}])
        read(accounts, 3, 0, [{"symbol": 7, "events": 3}, {"symbol": 9, "events": 1}])
        read(accounts, 4, 0, [{"symbol": 7, "events": 5, "epoch": 2}, {"symbol": 9, "events": 1}])
        self.assertEqual(accounts.total("quote"), Account(5, 3, 2, 0, 2, 0))
        read(accounts, 5, 1, [{"symbol": 7, "events": 2, "epoch": 2}])
        read(accounts, 6, 0, [{"symbol": 7, "events": 1, "epoch": 2}])
        self.assertEqual(accounts.total("quote"), Account(6, 4, 2, 0, 3, 0))
        self.assertEqual(accounts.gaps, 0)

    def test_totals_that_go_back_or_lose_more_than_was_published_do_not_add_up(self) -> None:
        for told in ({"events": 9}, {"events": 12, "lost": 3}):
            accounts = self.accounts()
            read(accounts, 1, 1, [{"symbol": 7, "events": 10}, {"symbol": 9, "events": 5}])
            read(accounts, 2, 1, [{"symbol": 7, **told}, {"symbol": 9, "events": 6}])
            self.assertEqual(accounts.total("quote").broken, 1)
            self.assertFalse(accounts.identity_ok)
            self.assertEqual(accounts.table("quote")["identity_ok"].tolist(), [False, True])

    def test_totals_mod_two_to_the_32_count_on_over_many_turns(self) -> None:
        accounts = self.accounts()
        step = 1_500_000_000
        for n in range(13):
            read(accounts, n + 1, 1, [{"symbol": 7, "events": n * step % 2**32}])
        self.assertEqual(accounts.total("quote").published, 12 * step)
        self.assertTrue(accounts.identity_ok)

    def test_a_symbol_that_stands_twice_in_a_message_counts_twice(self) -> None:
        accounts = self.accounts()
        read(accounts, 1, 1, [{"symbol": 7, "events": 10}, {"symbol": 7, "events": 12}, {"symbol": 9, "events": 1}])
        read(accounts, 2, 0, [{"symbol": 7, "events": 2}, {"symbol": 7, "events": 3}])
        self.assertEqual(accounts.total("quote"), Account(7, 3, 4, 0, 2, 0))

    def test_listed_prints_are_taken_from_the_merged_ones_and_no_more_than_those(self) -> None:
        accounts = self.accounts("trade")
        one = {"symbol": 7, "qty": 1}
        read(accounts, 1, 7, [{"symbol": 7, "tc": 3, "volume": 9}])
        read(accounts, 2, 2, [one], listed=True)
        read(accounts, 3, 2, [one, {**one, "epoch": 2}])
        self.assertEqual(accounts.total("trade"), Account(1, 1, 0, 0, 1, 0))
        read(accounts, 4, 7, [{"symbol": 7, "tc": 7, "tlost": 1, "volume": 16}])
        read(accounts, 5, 2, [one, one, one], listed=True)
        self.assertEqual(accounts.total("trade"), Account(4, 3, 0, 1, 1, 0))
        self.assertTrue(accounts.identity_ok)

    def test_sums_that_differ_although_nothing_was_missed_are_a_fault(self) -> None:
        accounts = self.accounts("trade")
        read(accounts, 1, 7, [{"symbol": 7, "tc": 3, "volume": 9}])
        read(accounts, 2, 2, [{"symbol": 7, "qty": 4}])
        read(accounts, 3, 7, [{"symbol": 7, "tc": 4, "volume": 13}])
        self.assertTrue(accounts.identity_ok)
        read(accounts, 4, 7, [{"symbol": 7, "tc": 4, "volume": 14}])
        self.assertEqual(accounts.total("trade").broken, 1)

    def test_a_lost_frame_voids_the_base_and_keeps_the_period(self) -> None:
        accounts = self.accounts()
        self.assertTrue(read(accounts, 1, 1, [{"symbol": 7, "events": 10}]))
        self.assertFalse(read(accounts, 3, 0, [{"symbol": 7, "events": 2}]))
        self.assertFalse(accounts.based("quote", 7))
        self.assertTrue(read(accounts, 4, 1, [{"symbol": 7, "events": 16}]))
        self.assertEqual(accounts.total("quote"), Account(6, 1, 5, 0, 1, 0))
        self.assertTrue(accounts.heartbeat(4))
        self.assertFalse(accounts.heartbeat(5))

    def test_the_subscription_ends_a_period_and_its_account_stays(self) -> None:
        accounts = self.accounts()
        read(accounts, 1, 1, [{"symbol": 7, "events": 10}])
        read(accounts, 2, 0, [{"symbol": 7, "events": 2}])
        accounts.left("quote", [7])
        with self.assertRaises(fixed.Damaged):
            read(accounts, 3, 0, [{"symbol": 7, "events": 1}])
        accounts.joined("quote", [7])
        read(accounts, 4, 1, [{"symbol": 7, "events": 50}])
        self.assertEqual(accounts.total("quote"), Account(2, 1, 1, 0, 2, 0))

    def test_the_frame_counter_wraps_and_unknown_kinds_are_counted(self) -> None:
        accounts = self.accounts()
        accounts.heartbeat(0xFFFFFFFF)
        self.assertTrue(read(accounts, 0, 1, [{"symbol": 7, "events": 1}]))
        newer = bytearray(message(1, 0, [{"symbol": 7}]))
        newer[2] = 11
        batch = fixed.decode(bytes(newer))
        self.assertEqual((batch.kind, len(batch.records)), (11, 0))
        self.assertTrue(accounts.take(batch))
        self.assertTrue(read(accounts, 2, 0, [{"symbol": 7, "events": 1}]))

    def test_an_empty_message_and_a_damaged_id_cost_nothing(self) -> None:
        accounts = self.accounts()
        self.assertTrue(accounts.take(fixed.decode(message(1, 0, []))))
        with self.assertRaises(fixed.Damaged):
            read(accounts, 2, 0, [{"symbol": 4_000_000_000}])
        with self.assertRaises(fixed.Damaged):
            accounts.joined("quote", [1 << 30])


if __name__ == "__main__":
    unittest.main()

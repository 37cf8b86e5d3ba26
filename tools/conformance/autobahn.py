#!/usr/bin/env python3
"""Autobahn's own cases (sections 1-7, 9, 10) against `gateway --socket-echo`, through PyPI `kosoku`.

    autobahn.py HOST:PORT [--without 9]

Prints the figures on one line; exit 0 when every case is OK or informational and none is non-strict.
Needs `kosoku` 0.1.0 on the module path. Load only on loopback.
"""
import asyncio
import collections
import sys

from kosoku import FailureError, run_fuzzingclient

SECTIONS = ["1", "2", "3", "4", "5", "6", "7", "9", "10"]


def name(result) -> str:
    return str(result.behavior).rsplit(".", 1)[-1]


async def main() -> int:
    skipped = sys.argv[3].split(",") if "--without" in sys.argv else []
    sections = [f"{section}.*" for section in SECTIONS if section not in skipped]
    try:
        results = await run_fuzzingclient(f"ws://{sys.argv[1]}/echo", sections, None)
    except FailureError as failure:
        results = failure.results
    counts = collections.Counter()
    for result in results:
        counts[name(result)] += 1
        if name(result) not in ("OK", "INFORMATIONAL"):
            print(result.case_id, result.behavior, result.behavior_close)
    print(f"autobahn cases={len(results)} {dict(counts)}")
    passed = sum(n for kind, n in counts.items() if kind in ("OK", "INFORMATIONAL"))
    return 0 if results and passed == len(results) else 1


sys.exit(asyncio.run(main()))

"""Client of the Tickgate market-data gateway.

Prices and sizes are integer mantissas in the instrument's exponents; `Instrument.price` turns one into a `Decimal`.
Times are ns since the Unix epoch. `Client.accounts` tells what became of every published event.
"""

from .account import Account, Accounts
from .client import Client, Instrument, TickgateError, connect
from .fixed import ABSENT, Batch, Damaged, decode

__all__ = [
    "ABSENT", "Account", "Accounts", "Batch", "Client", "Damaged", "Instrument", "TickgateError", "connect", "decode",
]

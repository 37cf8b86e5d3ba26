"""Client of the Tickgate market-data gateway.

Prices and sizes are integer mantissas in the instrument's exponents; `Instrument.price` turns one into a `Decimal`.
"""

from .client import Client, Instrument, connect
from .fixed import Batch, decode

__all__ = ["Batch", "Client", "Instrument", "connect", "decode"]

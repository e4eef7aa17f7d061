"""A local Microsoft: Entra, Sentinel, Defender and Graph as far as pushing indicators needs them.

It imports nothing else of this package: it is the independent judge of the requests that the rest of it sends. See
`Emulator` for tests and `serve` for the command.
"""

from __future__ import annotations

from .behaviour import Behaviour
from .faults import FaultError
from .server import Emulator, serve
from .storage import StateError

__all__ = ["Behaviour", "Emulator", "FaultError", "StateError", "serve"]

"""A local Microsoft: Entra, Sentinel, Defender and Graph as far as pushing indicators needs them.

It imports nothing else of this package: it is the independent judge of the requests that the rest of it sends. See
`Emulator` for tests and `serve` for the command.
"""

from __future__ import annotations

from .assertions import App, Credential, Federation, ManagedIdentity, read_credential
from .behaviour import Behaviour
from .faults import FaultError
from .server import Emulator, serve
from .storage import StateError

__all__ = [
    "App",
    "Behaviour",
    "Credential",
    "Emulator",
    "FaultError",
    "Federation",
    "ManagedIdentity",
    "StateError",
    "read_credential",
    "serve",
]

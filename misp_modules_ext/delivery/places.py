"""Destinations of a configuration with everything that draining them needs."""

from __future__ import annotations

import os
import socket
import uuid

from misp_modules_ext.config.settings import Settings
from misp_modules_ext.delivery.drain import Place
from misp_modules_ext.delivery.sender import Policy
from misp_modules_ext.destinations import create
from misp_modules_ext.ledger import Ledger, Store


def base_url_of(settings: Settings) -> str:
    """Address of the MISP that reports link to, `""` when it is not configured."""
    return settings.misp.url if settings.misp else ""


def holder(kind: str) -> str:
    """A name for whoever holds a lease: unique, and readable in `status`."""
    return f"{kind} {socket.gethostname()[:24]} {os.getpid()} {uuid.uuid4().hex[:8]}"[:64]


def place_of(ledger: Ledger, store: Store, settings: Settings, who: str, policy: Policy | None = None) -> Place:
    """A destination that may be drained."""
    return Place(ledger, store, create(store.settings), who, base_url_of(settings), policy)

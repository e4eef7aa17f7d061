"""Destinations of a configuration with everything that draining them needs."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import replace

from misp_modules_ext.config.settings import MispSettings, Settings
from misp_modules_ext.delivery.drain import Place
from misp_modules_ext.delivery.sender import Policy
from misp_modules_ext.delivery.slots import neighbours
from misp_modules_ext.destinations import create
from misp_modules_ext.ledger import Ledger, Store
from misp_modules_ext.ledger.lease import LEASE_MS

#: For tests only, which kill processes and cannot wait a minute each time: milliseconds that a lease lasts.
LEASE_VARIABLE = "MISP_MODULES_EXT_TEST_LEASE_MS"
#: A request ends when so much of a lease is over (40 of 60 seconds), so that it never outlives it.
REQUEST_PART = 2 / 3


def base_url_of(settings: Settings) -> str:
    """Address of the MISP that reports link to, `""` when it is not configured."""
    return settings.misp.url if settings.misp else ""


def readable(settings: Settings) -> dict[str, MispSettings]:
    """Each MISP whose events can be read with a key of ours, by what `Event.misp` calls it."""
    served = settings.misp
    found = {"": served} if served is not None and served.has_key else {}
    for misp in (settings.rh_isac, settings.misp, *settings.other_misps):
        if misp is not None and misp.has_key:
            found.setdefault(misp.address, misp)
    return found


def told_of_sightings(settings: Settings) -> dict[str, MispSettings]:
    """Those of them that may be told what Microsoft has seen.

    Others share some of them, whose section must say so. Of sections with one address, one that says no counts.
    """
    sections = [misp for misp in (settings.rh_isac, settings.misp, *settings.other_misps) if misp is not None]
    silent = {misp.address for misp in sections if misp.sightings is False}
    told = {misp.address for misp in sections if misp.sightings or misp is settings.misp} - silent
    return {name: misp for name, misp in readable(settings).items() if misp.address in told}


def holder(kind: str) -> str:
    """A name for whoever holds a lease: unique, and readable in `status`."""
    return f"{kind} {socket.gethostname()[:24]} {os.getpid()} {uuid.uuid4().hex[:8]}"[:64]


def place_of(ledger: Ledger, store: Store, settings: Settings, who: str, policy: Policy | None = None) -> Place:
    """A destination that may be drained."""
    lease_ms = int(os.environ.get(LEASE_VARIABLE, LEASE_MS))
    patience = policy or Policy()
    patience = replace(patience, request_timeout=min(patience.request_timeout, lease_ms / 1000 * REQUEST_PART))
    beside = neighbours(settings, store.settings)
    return Place(ledger, store, create(store.settings), who, base_url_of(settings), patience, lease_ms, beside)

"""The keys of what a whole installation has once: its ledger and its queue."""

from __future__ import annotations

from misp_modules_ext.config import servers, values
from misp_modules_ext.config.key import Key

LEDGER = (
    Key(
        "url",
        "url",
        servers.ledger,
        "`sqlite:///PATH`, `postgresql://…`, `mysql://…` or `mariadb://…`",
        "The database that keeps what was pushed, for all processes of an installation. It is made on first use. Two "
        "installations that push to one store need one ledger.",
        instead="`ledger.db` in `/var/lib/misp-modules-ext` when the configuration lies below `/etc`, else in "
        "`$XDG_STATE_HOME/misp-modules-ext` (`~/.local/state/misp-modules-ext`)",
        secret=True,
    ),
    Key(
        "retention",
        "retention",
        values.duration,
        "length of time",
        "How long submissions are kept, so that their reports can be shown again, and which sightings MISP was told. "
        "What is at Microsoft is known regardless.",
        default="400 days",
    ),
)

QUEUE = (
    Key(
        "url",
        "queue_url",
        servers.queue,
        "`redis://…` or `rediss://…`",
        "A Redis that wakes the workers of several machines. It carries no data; the ledger does. Workers read this "
        "key when they start only.",
        instead="each process wakes itself",
        secret=True,
    ),
)

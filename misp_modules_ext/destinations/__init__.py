"""The stores at Microsoft behind one interface; nothing here knows MISP.

`interface` says what a destination can do, `create` makes one from its settings. One module each for `sentinel`,
`defender` and `graph`: what they send is in `*_payload`, what they are answered in `*_answers`, what they read back in
`*_entries`. `sentinel_management` and `defender_list` ask for that; `defender_slots` says who gets a slot.

`looking` says what a destination can be asked about a value; `sentinel_looking` and `defender_looking` ask it, through
`log_analytics`, `hunting`, `defender_statistics` and `asking` (rates and time). `askable` says which kinds are asked
where, `queries` holds the texts, `estate` reads what many values were answered. `alerts` asks which alerts were false,
`alerts_evidence` reads what they are about. Shared:
`client` (a request with a token), `transport` (the only sockets), `failures` (why no answer came), `answers` (what an
answer means), `tokens` and `aadsts` (Entra), `limits` (request rates), `listing` (lists of several pages), `drift`
(what differs), `wire` (texts, times, sizes).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from misp_modules_ext.config.settings import Api, DestinationSettings
from misp_modules_ext.destinations.defender import Defender
from misp_modules_ext.destinations.graph import Graph
from misp_modules_ext.destinations.interface import Destination
from misp_modules_ext.destinations.sentinel import Sentinel

__all__ = ["create"]

_DESTINATIONS: Mapping[Api, Callable[[DestinationSettings], Destination]] = {
    Api.SENTINEL: Sentinel,
    Api.DEFENDER: Defender,
    Api.GRAPH: Graph,
}


def create(settings: DestinationSettings) -> Destination:
    """The destination that a section of the configuration describes. Opens no connection."""
    return _DESTINATIONS[settings.api](settings)

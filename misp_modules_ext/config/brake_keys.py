"""The keys of a destination's brakes: how much may come and go before a person looks."""

from __future__ import annotations

from misp_modules_ext.config import values
from misp_modules_ext.config.key import DEFENDER, Key

#: Nobody means more.
_MANY = 1_000_000_000

BRAKES = (
    Key(
        "maxPerEvent",
        "max_per_event",
        values.whole(0, _MANY),
        "number",
        "Most indicators that one event may bring, those already there included; new ones beyond it are skipped with "
        "the reason `max-per-event`. 0 is no limit.",
        default="10000",
    ),
    Key(
        "maxPerDay",
        "max_per_day",
        values.whole(0, _MANY),
        "number",
        "Most new indicators in any 24 hours; more wait. 0 is no limit.",
        default="50000",
    ),
    Key(
        "maxIndicators",
        "max_indicators",
        values.whole(1, 15_000),
        "1 to 15000",
        "Most indicators of ours at once. Defender holds 15,000 in a tenant, those of others included; when there is "
        "no room, the more severe and the surer ones go first.",
        default="14000",
        apis=DEFENDER,
    ),
    Key(
        "maxWithdraw",
        "max_withdraw",
        values.whole(0, _MANY),
        "number",
        "Most indicators withdrawn in any 24 hours; more wait for a person. 0 withdraws none.",
        instead="a tenth of what is there, and 100 in any case",
    ),
)

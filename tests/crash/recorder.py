"""What each request to the emulated Microsoft carried, when, by whom, and what was answered."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from misp_modules_ext.emulator import Emulator
from misp_modules_ext.emulator.calls import Call
from misp_modules_ext.emulator.core import Reply

#: What tells two requests for the same content apart, and is no content.
_STAMPS = ("id", "created", "modified", "externalId", "revoked")


@dataclass(frozen=True)
class Carried:
    """One value in one request.

    Attributes:
        api: `sentinel` or `defender`.
        value: pattern or indicator value; `""` in a withdrawal of what had expired before its id was seen.
        content: what was said of it, without id and times; `""` for a withdrawal.
        stix_id: Sentinel's id, Defender's `externalId`; `""` in a withdrawal from Defender.
        created: as sent, `""` at Defender.
        modified: as sent, `""` at Defender.
        began: `time.monotonic()` at its arrival.
        ended: `time.monotonic()` at which the answer goes out, or the connection is closed.
        who: the bearer token: each process has its own.
        accepted: an answer said so.
        unclear: no answer says whether it was taken: there was none, or it told of the server's own trouble.
    """

    api: str
    value: str
    content: str
    stix_id: str
    created: str
    modified: str
    began: float
    ended: float
    who: str
    accepted: bool
    unclear: bool = False


class Recorder:
    """Listens between the emulator's HTTP layer and its core.

    Attributes:
        carried: in the order of arrival.
        calls: requests in all, to whatever API.
    """

    def __init__(self, emulator: Emulator) -> None:
        self.carried: list[Carried] = []
        self.calls = 0
        self._emulator = emulator
        self._handle = emulator.core.handle
        self._lock = threading.Lock()
        self._values: dict[str, str] = {}
        emulator.core.handle = self._listen  # type: ignore[method-assign]

    def clear(self) -> None:
        """Forget all, as the emulator does at a reset: its ids begin anew."""
        self.carried.clear()
        self._values.clear()
        self.calls = 0

    def _listen(self, call: Call) -> Reply:
        # The core answers one after the other as well; the lock keeps our order that of its.
        with self._lock:
            if call.path.endswith("/BatchDelete"):
                self._learn()
            began = time.monotonic()
            reply = self._handle(call)
            self.calls += 1
            who = call.headers.get("authorization", "")
            unclear = reply.answer is None or reply.answer.status >= 500
            for api, value, content, stamps, accepted in self._items(call, reply):
                self.carried.append(
                    Carried(
                        api,
                        value,
                        content,
                        *(str(stamps.get(name, "")) for name in ("id", "created", "modified")),
                        began,
                        began + reply.delay,
                        who,
                        accepted,
                        unclear,
                    )
                )
            return reply

    def _items(self, call: Call, reply: Reply) -> Iterator[tuple[str, str, str, Mapping[str, Any], bool]]:
        status = reply.answer.status if reply.answer else 0
        body = reply.answer.json() if reply.answer and reply.answer.body else None
        if call.path.endswith(":upload"):
            wrong = {error["recordIndex"] for error in (body or {}).get("errors", [])} if status == 200 else set()
            for index, item in enumerate(call.payload["stixobjects"]):
                content = "" if item.get("revoked") else _content(item)
                yield "sentinel", item["pattern"], content, item, status == 200 and index not in wrong
        elif call.path.endswith("/import"):
            answers = body["value"] if status == 200 else [{"isFailed": True}] * len(call.payload["Indicators"])
            for item, answer in zip(call.payload["Indicators"], answers, strict=True):
                if not answer["isFailed"]:
                    self._values[answer["id"]] = item["indicatorValue"]
                stamps = {"id": item["externalId"]}
                yield "defender", item["indicatorValue"], _content(item), stamps, not answer["isFailed"]
        elif call.path.endswith("/BatchDelete"):
            for number in call.payload["IndicatorIds"]:
                yield "defender", self._values.get(number, ""), "", {}, status in (200, 204)

    def _learn(self) -> None:
        """Which value each of Defender's ids is of, also of those whose making had no answer."""
        for entities in self._emulator.state()["defender"].values():
            self._values |= {entity["id"]: entity["indicatorValue"] for entity in entities}


def _content(item: Mapping[str, Any]) -> str:
    return json.dumps({name: value for name, value in item.items() if name not in _STAMPS}, sort_keys=True)

"""A MISP in a process of its own that shows any number of attributes and holds none of them: pages are made as asked.

Run it as `python -m tests.support.large_misp EVENTS ATTRIBUTES` with the key that may read in the environment variable
`LARGE_MISP_KEY`: it prints its address and serves until it is ended.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from typing import Any

from tests.support import misp_views as views
from tests.support.misp_server import MispServer
from tests.support.misp_world import Attribute, Event, Tag, World

VETTED = "rhisac: vetted"
_SPACE = uuid.UUID("0f0e0d0c-0b0a-4908-8706-050403020100")


class LargeMisp(MispServer):
    """Serves events that are alike.

    Args:
        key: the one that may read.
        events: how many.
        attributes: of each.
    """

    def __init__(self, key: str, events: int, attributes: int) -> None:
        self._now = int(time.time()) - 60
        world = World(lambda: self._now)
        super().__init__(world)
        self._key = key
        self._attributes = attributes
        self._org = world.add_org("Members")
        self._user = world.add_user(key, self._org)
        self._events = [self._event(number) for number in range(1, events + 1)]
        self._by_uuid = {event.uuid: event for event in self._events}
        world.tags[VETTED] = Tag(1, VETTED)

    def answer(self, path: str, body: dict[str, Any], key: str) -> tuple[int, Any]:
        """As `MispServer`, with nothing of the events in memory but their headers."""
        self.requests.clear()
        name = path.removeprefix("/").removesuffix(".json")
        event = self._by_uuid.get(body.get("eventid", ""))
        if key != self._key or name not in ("events/index", "events/restSearch", "attributes/restSearch"):
            return super().answer(path, body, key)
        if name == "events/index":
            start = (body["page"] - 1) * body["limit"]
            return 200, [
                {"id": str(e.id), "timestamp": str(e.timestamp), "uuid": e.uuid, "published": True}
                for e in self._events[start : start + body["limit"]]
            ]
        if event is None:
            return 200, {"response": []}
        if name == "events/restSearch":
            header = views.header(self.world, event, True) | {"attribute_count": str(self._attributes)}
            return 200, {"response": [{"Event": header}]}
        return 200, {"response": {"Attribute": self._page(event, body)}}

    def _page(self, event: Event, body: dict[str, Any]) -> list[Any]:
        if body.get("deleted") == "only":
            return []
        start = (body["page"] - 1) * body["limit"]
        numbers = range(start, min(start + body["limit"], self._attributes))
        if "uuid" in body:
            numbers = range(1)
        return [views.attribute_row(self.world, self._attribute(event, number), body) for number in numbers]

    def _event(self, number: int) -> Event:
        made = {"id": number, "uuid": str(uuid.uuid5(_SPACE, str(number))), "timestamp": self._now}
        return Event(
            info="Large",
            orgc=self._org,
            published=True,
            publish_timestamp=self._now,
            distribution=3,
            **made,
            tags={VETTED: False},
        )

    def _attribute(self, event: Event, number: int) -> Attribute:
        made = {
            "id": event.id * 10_000_000 + number,
            "uuid": str(uuid.uuid5(_SPACE, f"{event.id} {number}")),
            "timestamp": self._now,
        }
        value = f"host-{number}.of-{event.id}.evil.example"
        return Attribute(event=event, type="domain", value=value, comment="C2 server", **made)


def main() -> None:
    """Serve."""
    key, events, attributes = os.environ["LARGE_MISP_KEY"], int(sys.argv[1]), int(sys.argv[2])
    with LargeMisp(key, events, attributes) as server:
        print(server.url, flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()

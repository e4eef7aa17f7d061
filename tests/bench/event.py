"""One large event as MISP exports it: 50,000 attributes are about 28 MB of JSON. The same in every run.

Network and file indicators with tags and comments; a tenth of the attributes stands in objects, one of a hundred
repeats a value, some are not selected or of no use to Microsoft. Nothing of it ever leaves loopback.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from misp_modules_ext.misp.parse import parse_event
from misp_modules_ext.model.misp import Event

#: 2026-11-01 00:00:00 UTC, seconds.
PUBLISHED = 1_793_491_200
ORGANISATION = "5f1c6a9e-3b0d-4c57-9f1e-2d8a7b6c5e40"
#: Tags that attributes carry, and how many of a hundred do; `""` stands for none.
TAGS = (
    ("", 55),
    ("tlp:green", 12),
    ("tlp:amber", 8),
    ('misp:confidence-level="usually-confident"', 8),
    ('kill-chain:phase="delivery"', 7),
    ('admiralty-scale:source-reliability="b"', 6),
    ('misp-galaxy:mitre-attack-pattern="Phishing - T1566"', 4),
)
COMMENTS = ("", "", "", "C2 server", "dropped by the first stage", "seen in mails to retailers", "loader")
#: First octets of addresses that are given out everywhere.
OCTETS = (23, 45, 51, 77, 91, 103, 146, 185)
ENDINGS = ("com", "net", "org", "info", "top", "xyz")


class _Values:
    """Values of each type, from one stream of random numbers."""

    def __init__(self, stream: random.Random) -> None:
        self._stream = stream

    def digits(self, count: int) -> str:
        return f"{self._stream.getrandbits(4 * count):0{count}x}"

    def host(self) -> str:
        return f"{self.digits(6)}-{self.digits(4)}.{self._stream.choice(ENDINGS)}"

    def name(self) -> str:
        return f"{self._stream.choice(('cdn', 'login', 'mail', 'api', 'static'))}.{self.host()}"

    def ipv4(self) -> str:
        rest = self._stream.getrandbits(24)
        return f"{self._stream.choice(OCTETS)}.{rest >> 16}.{rest >> 8 & 255}.{rest & 255}"

    def address(self) -> str:
        if self._stream.random() < 0.06:
            return f"2a02:{self.digits(4)}:{self.digits(4)}::{self.digits(3)}"
        return self.ipv4()

    def url(self) -> str:
        path = f"https://{self.host()}/{self.digits(8)}/{self.digits(4)}.php"
        return path if self._stream.random() < 0.6 else f"{path}?id={self.digits(10)}"

    def file(self) -> str:
        return f"invoice-{self.digits(6)}.{self._stream.choice(('exe', 'dll', 'js', 'docm'))}"


def _types(values: _Values) -> dict[str, tuple[int, Callable[[], str]]]:
    """MISP attribute type -> how many of a thousand have it, and how its values are made."""
    return {
        "domain": (150, values.host),
        "hostname": (80, values.name),
        "url": (190, values.url),
        "ip-dst": (120, values.address),
        "ip-src": (60, values.address),
        "sha256": (120, lambda: values.digits(64)),
        "sha1": (60, lambda: values.digits(40)),
        "md5": (80, lambda: values.digits(32)),
        "filename|sha256": (35, lambda: f"{values.file()}|{values.digits(64)}"),
        "filename|md5": (15, lambda: f"{values.file()}|{values.digits(32)}"),
        "domain|ip": (15, lambda: f"{values.host()}|{values.ipv4()}"),
        "ip-dst|port": (20, lambda: f"{values.ipv4()}|8443"),
        "email-src": (25, lambda: f"billing@{values.host()}"),
        "filename": (15, values.file),
        "mutex": (8, lambda: f"Global\\{values.digits(8)}"),
        "regkey": (7, lambda: f"HKLM\\Software\\{values.digits(6)}"),
    }


#: Types of a file object's attributes and of an address object's, with their relations.
_OBJECTS = (
    ("file", (("filename", "filename"), ("sha256", "sha256"), ("md5", "md5"))),
    ("domain-ip", (("domain", "domain"), ("ip-dst", "ip"))),
)
_OBJECT_SHARE = 0.04
_REPEATED = 0.01
_NOT_SELECTED = 0.01


class _Maker:
    def __init__(self, seed: int) -> None:
        self._stream = random.Random(seed)
        self._types = _types(_Values(self._stream))
        self._names = list(self._types)
        self._shares = [share for share, _ in self._types.values()]
        self._earlier: dict[str, str] = {}

    def uuid(self) -> str:
        return str(uuid.UUID(int=self._stream.getrandbits(128), version=4))

    def attributes(self, count: int) -> Iterator[dict[str, Any]]:
        """Attributes and objects, of `count` attributes in all."""
        while count > 0:
            name, members = self._stream.choice(_OBJECTS)
            if len(members) <= count and self._stream.random() < _OBJECT_SHARE:
                count -= len(members)
                yield self._object(name, members)
            else:
                count -= 1
                yield self._attribute(self._stream.choices(self._names, self._shares)[0])

    def _object(self, name: str, members: tuple[tuple[str, str], ...]) -> dict[str, Any]:
        return {
            "id": "1",
            "name": name,
            "meta-category": "file" if name == "file" else "network",
            "description": f"{name} object",
            "template_uuid": "688c46fb-5edb-40a3-8273-1af7923e2215",
            "template_version": "25",
            "event_id": "1",
            "uuid": self.uuid(),
            "timestamp": str(PUBLISHED),
            "distribution": "5",
            "sharing_group_id": "0",
            "comment": self._stream.choice(COMMENTS),
            "deleted": False,
            "first_seen": None,
            "last_seen": None,
            "ObjectReference": [],
            "Attribute": [self._attribute(type_, relation) for type_, relation in members],
        }

    def _attribute(self, type_: str, relation: str | None = None) -> dict[str, Any]:
        made: dict[str, Any] = {
            "id": str(self._stream.getrandbits(20)),
            "type": type_,
            "category": "Payload delivery" if "file" in type_ or type_[:2] in ("sh", "md") else "Network activity",
            "to_ids": self._stream.random() >= _NOT_SELECTED,
            "uuid": self.uuid(),
            "event_id": "1",
            "distribution": "5",
            "timestamp": str(PUBLISHED - self._stream.getrandbits(20)),
            "comment": self._stream.choice(COMMENTS),
            "sharing_group_id": "0",
            "deleted": False,
            "disable_correlation": False,
            "object_id": "0" if relation is None else "1",
            "object_relation": relation,
            "first_seen": None,
            "last_seen": None,
            "value": self._value(type_),
            "Galaxy": [],
            "ShadowAttribute": [],
        }
        tag = self._stream.choices([name for name, _ in TAGS], [share for _, share in TAGS])[0]
        return made | {"Tag": [_tag(tag)]} if tag else made

    def _value(self, type_: str) -> str:
        earlier = self._earlier.get(type_)
        if earlier is not None and self._stream.random() < _REPEATED:
            return earlier
        made = self._earlier[type_] = self._types[type_][1]()
        return made


def _tag(name: str) -> dict[str, Any]:
    return {
        "id": "8",
        "name": name,
        "colour": "#b1eacd",
        "exportable": True,
        "user_id": "0",
        "hide_tag": False,
        "numerical_value": None,
        "is_galaxy": name.startswith("misp-galaxy:"),
        "is_custom_galaxy": False,
        "local_only": False,
        "local": False,
        "relationship_type": None,
    }


def document(attributes: int, seed: int = 1) -> dict[str, Any]:
    """The event as an export module gets it: `{"Event": {…}}`.

    Args:
        attributes: how many, those in objects included.
        seed: another one makes another event with other values.
    """
    maker = _Maker(seed)
    event_uuid = maker.uuid()
    made = list(maker.attributes(attributes))
    organisation = {"id": "1", "name": "Bench", "uuid": ORGANISATION, "local": True}
    return {
        "Event": {
            "id": "1",
            "orgc_id": "1",
            "org_id": "1",
            "date": "2026-11-01",
            "threat_level_id": "2",
            "info": "Phishing and a loader, many senders",
            "published": True,
            "uuid": event_uuid,
            "attribute_count": str(attributes),
            "analysis": "2",
            "timestamp": str(PUBLISHED),
            "distribution": "1",
            "publish_timestamp": str(PUBLISHED),
            "sharing_group_id": "0",
            "Org": organisation,
            "Orgc": organisation,
            "Attribute": [one for one in made if "Attribute" not in one],
            "ShadowAttribute": [],
            "RelatedEvent": [],
            "Galaxy": [],
            "Object": [one for one in made if "Attribute" in one],
            "EventReport": [],
            "Tag": [_tag("tlp:amber"), _tag('workflow:state="complete"')],
        }
    }


def parsed(attributes: int, seed: int = 1) -> Event:
    """The same event as our records."""
    return parse_event(document(attributes, seed))

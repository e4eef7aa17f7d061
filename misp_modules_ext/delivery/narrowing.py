"""Taking part of an event that our own reading shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from misp_modules_ext.model.misp import Attribute, Event


def narrowed(event: Event, wanted: Callable[[Attribute], bool]) -> Event:
    """The event with some of its attributes.

    It is a view that does not show everything: of what it does not show it says nothing. The rules stay those of the
    configuration, and whether others are picked is seen in all attributes.

    Args:
        event: as it was read.
        wanted: whether an attribute is to be taken.
    """
    shown = tuple(filter(wanted, event.attributes))
    return replace(event, attributes=shown, kept_out=event.kept_out or event.attributes, complete=False)

"""A journal that writes down what it is told, and can refuse."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from misp_modules_ext.destinations.interface import ItemResult
from misp_modules_ext.model.indicator import Due, Stamp


class Notebook:
    """Keeps the calls in order.

    Args:
        held_back: values that may no longer go.
        stamp: gives each due the stamp under which it goes.
        fails: called with the name of each call; may raise.
    """

    def __init__(
        self,
        held_back: Sequence[str] = (),
        stamp: Callable[[Due], Stamp] | None = None,
        fails: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.calls: list[tuple[str, list[str]]] = []
        self.results: dict[str, ItemResult] = {}
        self._held_back = frozenset(held_back)
        self._stamp = stamp or (lambda due: due.stamp)
        self._fails = fails
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        """The names of the calls."""
        return [name for name, _ in self.calls]

    def told(self, name: str) -> list[str]:
        """All values of the calls of one name, in order."""
        return [value for call, values in self.calls if call == name for value in values]

    def hold(self) -> None:
        """A request is about to be made."""
        self._note("hold", ())

    def begin(self, batch: Sequence[Due]) -> list[Due]:
        """Let go what is not held back."""
        self._note("begin", batch)
        return [due._replace(stamp=self._stamp(due)) for due in batch if value_of(due) not in self._held_back]

    def record(self, batch: Sequence[Due], results: Sequence[ItemResult]) -> None:
        """What came of them."""
        self._note("record", batch)
        self.results |= dict(zip(map(value_of, batch), results, strict=True))

    def refused(self, batch: Sequence[Due]) -> None:
        """Nothing of these has arrived."""
        self._note("refused", batch)

    def left_out(self, dues: Sequence[Due], results: Sequence[ItemResult]) -> None:
        """These were not tried."""
        self._note("left_out", dues)
        self.results |= dict(zip(map(value_of, dues), results, strict=True))

    def _note(self, name: str, dues: Sequence[Due]) -> None:
        with self._lock:
            self.calls.append((name, [value_of(due) for due in dues]))
        self._fails(name)


def value_of(due: Due) -> str:
    """The value that a due is about."""
    return due.indicator.observable.value

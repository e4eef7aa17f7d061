"""One clock for MISP, ledger and Microsoft, which moves only when the test says so."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, event

from misp_modules_ext.ledger import engine as engines

#: 2026-11-24T00:00:00Z.
START = 1_795_478_400


class Clock:
    """Stands still unless told to go on."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        """Seconds since 1970 UTC."""
        return self.now

    def rule(self, engine: Engine) -> None:
        """Let a ledger's database go by this clock.

        The ledger asks its database for the time, in one statement. The answer alone is replaced, on its way through
        the driver: moving what is stored into the past instead would leave digests that no stored evidence explains.
        """
        asks = frozenset(engines._CLOCKS.values())

        def answer(
            connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
        ) -> tuple[str, Any]:
            return (f"SELECT {self.now * 1000}" if statement in asks else statement), parameters

        event.listen(engine, "before_cursor_execute", answer, retval=True)

"""Which rules a plan goes by. Destinations whose rules are equal share one plan."""

from __future__ import annotations

from typing import NamedTuple

from misp_modules_ext.config.settings import ActionRules, DestinationSettings, IndicatorRules, Selection


class RuleSet(NamedTuple):
    """What decides which attributes go, what their indicators say, and what is done on a match."""

    selection: Selection
    indicator: IndicatorRules
    actions: ActionRules = ActionRules()

    @classmethod
    def of(cls, settings: DestinationSettings) -> RuleSet:
        """The rule set of a destination."""
        return cls(settings.selection, settings.indicator, settings.actions)

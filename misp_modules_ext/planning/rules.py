"""Which rules a plan goes by. Destinations whose `[selection]` and `[indicator]` keys are equal share one plan."""

from __future__ import annotations

from typing import NamedTuple

from misp_modules_ext.config.settings import DestinationSettings, IndicatorRules, Selection


class RuleSet(NamedTuple):
    """What decides which attributes go and what their indicators say."""

    selection: Selection
    indicator: IndicatorRules

    @classmethod
    def of(cls, settings: DestinationSettings) -> RuleSet:
        """The rule set of a destination."""
        return cls(settings.selection, settings.indicator)

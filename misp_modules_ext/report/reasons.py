"""The reasons of an account counted, and the reference of all reasons for the documents."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from misp_modules_ext.model.account import Account, Item
from misp_modules_ext.model.outcome import WORST_FIRST, Outcome, Reason
from misp_modules_ext.report.text import number, one_line

_NAMED_PLACES = 5

#: What each outcome means, for footers and documents.
MEANINGS = {
    Outcome.ACCEPTED: "Microsoft took it in this submission (in a preview: it would be sent).",
    Outcome.UNCHANGED: "It was there already with the same content, so it was not sent again.",
    Outcome.MERGED: "Another attribute has the same value; both share one indicator.",
    Outcome.WITHDRAWN: "It is no longer selected in MISP, so it was taken back.",
    Outcome.PENDING: "It is not there yet, and the cause is not the indicator.",
    Outcome.SKIPPED: "It was not meant to go, or cannot go; the reason says why.",
    Outcome.REJECTED: "Microsoft refused this indicator.",
}


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How often one reason was given in a submission.

    Attributes:
        outcome: of the items that have it.
        places: how many items it has at each destination, by the destination's name.
        examples: the first items that have it.
    """

    reason: Reason
    outcome: Outcome
    places: dict[str, int]
    examples: tuple[Item, ...]

    @property
    def count(self) -> int:
        """Items over all destinations."""
        return sum(self.places.values())

    def where(self, account: Account) -> list[str]:
        """How many items have it where, for example `2 at all 3 destinations`."""
        numbers = set(self.places.values())
        if len(numbers) == 1 and len(self.places) == len(account.destinations) > 1:
            return [f"{number(numbers.pop())} at all {number(len(self.places))} destinations"]
        if len(self.places) > _NAMED_PLACES:
            return [f"{number(self.count)} at {number(len(self.places))} destinations"]
        return [f"{number(count)} at {one_line(name)}" for name, count in self.places.items()]


def count_reasons(account: Account, examples: int = 0) -> list[ReasonCount]:
    """Every reason of the account, those of the worst outcome first, then the most frequent.

    Args:
        account: the account.
        examples: how many different attributes to keep for each reason.
    """
    places: dict[tuple[Reason, Outcome], Counter[str]] = {}
    kept: dict[tuple[Reason, Outcome], dict[tuple[str, str], Item]] = {}
    for destination in account.destinations:
        for item in destination.items:
            if item.reason is None:
                continue
            key = (item.reason, item.outcome)
            places.setdefault(key, Counter())[destination.name] += 1
            shown = kept.setdefault(key, {})
            if len(shown) < examples:
                shown.setdefault((item.event, item.attribute), item)
    found = [ReasonCount(r, o, dict(where), tuple(kept[r, o].values())) for (r, o), where in places.items()]
    return sorted(found, key=lambda c: (WORST_FIRST.index(c.outcome), -c.count))


def reasons_markdown() -> str:
    """The reference of all reasons as Markdown: one table for each outcome that carries a reason."""
    outcomes = dict.fromkeys(reason.outcome for reason in Reason)
    return "\n".join(_section(outcome) for outcome in outcomes)


def _section(outcome: Outcome) -> str:
    rows = [f"| `{r.code}` | {_cell(r.meaning)} | {_cell(r.remedy)} |" for r in Reason if r.outcome is outcome]
    head = [
        f"## {outcome.value.capitalize()}",
        "",
        MEANINGS[outcome],
        "",
        "| code | meaning | what to do |",
        "|---|---|---|",
    ]
    return "\n".join([*head, *rows, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")

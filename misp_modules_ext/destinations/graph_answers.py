"""Reading what Graph answers about tiIndicators. Pure.

Source: Microsoft Graph beta, "Microsoft Graph Security API error responses" (206 with an `Error` in each failed item).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from misp_modules_ext.destinations.answers import Answer, clean, error_text, unreadable
from misp_modules_ext.destinations.interface import ItemResult
from misp_modules_ext.destinations.wire import encode
from misp_modules_ext.model.indicator import Due
from misp_modules_ext.model.outcome import Outcome, Reason

NAME = "Microsoft Graph (tiIndicators)"
#: What stands in place of an id in an item that failed.
FAILED_ID = "failed to create"
_NO_RESULT = ItemResult(
    Outcome.PENDING, Reason.UNREACHABLE, "Graph's answer holds no result for this value: repeat to be sure."
)


def _objects(document: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    found = document.get("value")
    good = isinstance(found, list) and all(isinstance(item, dict) for item in found)
    return found if good else None


def _items(answer: Answer) -> list[dict[str, Any]]:
    document = answer.json()
    found = _objects(document) if isinstance(document, dict) else None
    if found is None:
        raise unreadable(answer, NAME, "not with the documented list of values")
    return found


def named(answer: Answer) -> list[dict[str, Any]]:
    """Items whose ids are texts where they are given: one that cannot be recognized might be submitted again."""
    items = _items(answer)
    if not all(isinstance(item.get(name), (str, type(None))) for item in items for name in ("id", "externalId")):
        raise unreadable(answer, NAME, "with ids that are no texts")
    return items


def results(batch: Sequence[Due], items: Sequence[Mapping[str, Any]]) -> list[ItemResult]:
    """The result for each of a batch: by external id, by id, or by place for an item that says neither."""
    by_name: dict[str, Mapping[str, Any]] = {}
    for one in items:
        for name in (one.get("externalId"), one.get("id")):
            # Of two items for one name the failure counts: nothing is accepted that may not be there.
            if isinstance(name, str) and name and (name not in by_name or _failure(one) is not None):
                by_name[name] = one
    in_place: Iterable[Mapping[str, Any] | None] = items if len(items) == len(batch) else [None] * len(batch)
    found = []
    for due, at_its_place in zip(batch, in_place, strict=True):
        item: Mapping[str, Any] | None = by_name.get(due.stamp.stix_id) or (
            by_name.get(due.remote_id) if due.remote_id else None
        )
        if item is None and at_its_place is not None and _is_nameless_failure(at_its_place):
            item = at_its_place
        found.append(_NO_RESULT if item is None else _result(item))
    return found


def _is_nameless_failure(item: Mapping[str, Any]) -> bool:
    return not item.get("externalId") and _failure(item) is not None


def _failure(item: Mapping[str, Any]) -> str | None:
    """Why an item failed, `None` for one that did not."""
    error = next((item[name] for name in ("Error", "error") if item.get(name)), None)
    number = item.get("id")
    named = isinstance(number, str) and number and not number.lower().startswith(FAILED_ID)
    if error is None and named:
        return None
    text = error if isinstance(error, str) else encode(error).decode() if error else ""
    code, message = error_text(Answer(200, body=text.encode("utf-8", "replace")))
    return ": ".join(part for part in (code, message) if part) or "Graph refused it without a reason."


def _result(item: Mapping[str, Any]) -> ItemResult:
    why = _failure(item)
    if why is not None:
        return ItemResult(Outcome.REJECTED, Reason.REJECTED, clean(why))
    return ItemResult(Outcome.ACCEPTED, remote_id=str(item["id"]))


def deletions(answer: Answer, count: int) -> list[ItemResult]:
    """Results of a deletion: `resultInfo` objects in the order of the ids, or nothing when all went well."""
    if answer.is_empty:
        return [ItemResult(Outcome.ACCEPTED)] * count
    items = _items(answer)
    if len(items) != count:
        raise unreadable(answer, NAME, f"not with the {count} results expected")
    return [_deletion(item) for item in items]


def _deletion(item: Mapping[str, Any]) -> ItemResult:
    code = str(item.get("code", ""))
    if code in ("0", "200", "204", "404"):
        return ItemResult(Outcome.ACCEPTED)
    text = clean(f"{code} {item.get('message') or ''}".strip()) or "Graph did not delete it and gave no reason."
    return ItemResult(Outcome.REJECTED, Reason.REJECTED, text)

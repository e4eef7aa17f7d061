"""Accounts to render: ordinary ones, odd ones and hostile ones."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

from misp_modules_ext.model.account import (
    Account,
    DestinationAccount,
    EventAccount,
    Item,
    ObservableAccount,
    Removed,
    worst,
)
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.outcome import Outcome, Reason, State

EVENT = "5f0c9a3e-8f5b-4c2b-9d4e-7c1a2b3c4d5e"
STARTED = 1_795_000_000.0
EXPIRES = 1_805_000_000

#: Values that try to be more than text: to a browser, to a terminal, to rich, to a reader's eyes.
HOSTILE = (
    "<script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "\"'><b onmouseover=alert(1)>",
    "javascript:alert(1)",
    "{{ 7*7 }}{% raw %}",
    "[bold red]markup[/] [link=https://evil.example]x[/link]",
    "\x1b[2J\x1b]8;;https://evil.example\x07x\x1b]8;;\x07",
    "\x9b31mred",
    "nul\x00byte",
    "line\r\nbreak\u2028more",
    "user\u202egpj.exe",
    "zero\u200bwidth\ufeff",
    "lone\ud800surrogate",
    "مثال.example",
    "👩‍💻.example",
    "a" * 10_000,
    "",
)


def part(
    kind: Kind, value: str, outcome: Outcome = Outcome.ACCEPTED, reason: Reason | None = None
) -> ObservableAccount:
    """One observable with the id that its value gives it."""
    there = outcome in {Outcome.ACCEPTED, Outcome.UNCHANGED, Outcome.MERGED}
    indicator = Observable(kind, ascii(value) if not value.isprintable() else value).stix_id()
    return ObservableAccount(kind.value, value, outcome, indicator, EXPIRES if there else None, reason)


def item(
    type_: str,
    value: str,
    *parts: ObservableAccount,
    outcome: Outcome | None = None,
    reason: Reason | None = None,
    message: str = "",
    notes: tuple[str, ...] = (),
    event: str = EVENT,
) -> Item:
    """One attribute; its outcome is that of its worst part unless said."""
    attribute = str(uuid.uuid5(uuid.UUID(event), ascii((type_, value))))
    counted = outcome or (reason.outcome if reason else worst(p.outcome for p in parts))
    return Item(event, attribute, type_, value, counted, reason, message, notes, parts)


def skipped(type_: str, value: str, reason: Reason, message: str = "") -> Item:
    """An attribute that yields no indicator."""
    return item(type_, value, reason=reason, message=message)


def destination(name: str, items: Sequence[Item], state: State = State.OK, message: str = "") -> DestinationAccount:
    """A Sentinel destination."""
    return DestinationAccount(name, "Microsoft Sentinel", "sentinel", state, message, tuple(items))


def account(*destinations: DestinationAccount, **changes: object) -> Account:
    """An account of one event at these destinations."""
    plain = Account(
        submission="0b8f3f0e-52a0-4c0f-8a50-0d4c6a2f9b11",
        door="export",
        started=STARTED,
        finished=STARTED + 3.4,
        events=(
            EventAccount(
                EVENT,
                "Phishing wave against logistics companies, loader and command servers",
                f"https://misp.example.org/events/view/{EVENT}",
                complete=True,
            ),
        ),
        destinations=destinations,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def acting() -> Account:
    """One indicator blocks, one was to block and only alerts, one alerts."""
    block = part(Kind.DOMAIN_NAME, "b.example")._replace(action="Block")
    note = "Would be Block, is Audit: `neverBlock` covers it with c.example."
    held_back = part(Kind.DOMAIN_NAME, "c.example")._replace(action_note=note)
    rows = [
        item("domain", "a.example", part(Kind.DOMAIN_NAME, "a.example")),
        item("domain", "b.example", block),
        item("hostname", "b.example", block._replace(outcome=Outcome.MERGED)),
        item("domain", "c.example", held_back),
    ]
    return account(destination("microsoft defender", rows))


def _sent() -> list[Item]:
    sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    return [
        item("ip-dst", "198.51.100.23", part(Kind.IPV4_ADDR, "198.51.100.23")),
        item(
            "ip-dst|port",
            "203.0.113.77|8443",
            part(Kind.IPV4_ADDR, "203.0.113.77"),
            notes=("Port 8443 is in the description.",),
        ),
        item("ip-src", "2001:db8::5", part(Kind.IPV6_ADDR, "2001:db8::5")),
        item("domain", "update-cdn.example", part(Kind.DOMAIN_NAME, "update-cdn.example")),
        item(
            "domain|ip",
            "panel.loader.example|198.51.100.24",
            part(Kind.DOMAIN_NAME, "panel.loader.example"),
            part(Kind.IPV4_ADDR, "198.51.100.24"),
        ),
        item("hostname", "Mail.Invoice-Portal.example.", part(Kind.DOMAIN_NAME, "mail.invoice-portal.example")),
        item(
            "url",
            "hxxps://update-cdn[.]example/a/b.php?id=7",
            part(Kind.URL, "https://update-cdn.example/a/b.php?id=7"),
        ),
        item("sha256", sha256, part(Kind.FILE_SHA256, sha256)),
        item("filename|sha256", f"invoice.exe|{sha256}", part(Kind.FILE_SHA256, sha256, Outcome.MERGED)),
        item("md5", "098f6bcd4621d373cade4e832627b4f6", part(Kind.FILE_MD5, "098f6bcd4621d373cade4e832627b4f6")),
    ]


def _not_sent() -> list[Item]:
    return [
        skipped("ip-dst", "10.0.0.5", Reason.SPECIAL_VALUE),
        skipped("sha256", "9f86d081884c7d", Reason.INVALID_VALUE, "14 digits where a SHA-256 has 64."),
        skipped("comment", "Seen first at the Hamburg office", Reason.UNSUPPORTED_TYPE),
        skipped("domain", "cdn.partner.example", Reason.TO_IDS_OFF),
        skipped("email-src", "billing@invoice-portal.example", Reason.TO_IDS_OFF),
        skipped("domain", "login.bank.example", Reason.WARNINGLIST, "On “Top 1000 websites”."),
    ]


def arrived() -> Account:
    """Everything that was selected is there."""
    items = [*_sent(), *_not_sent()]
    names = ("microsoft", "microsoft soc-emea", "microsoft soc-us")
    return account(*(destination(name, items) for name in names))


def mixed() -> Account:
    """One destination took all, one refused some, one refuses our credentials."""
    sent = _sent()
    name = item("filename", "invoice.exe", part(Kind.FILE_NAME, "invoice.exe"))
    no_name = item(
        "filename",
        "invoice.exe",
        part(Kind.FILE_NAME, "invoice.exe", Outcome.SKIPPED, Reason.KIND_NOT_HELD),
        reason=Reason.KIND_NOT_HELD,
    )
    refused = [
        i._replace(
            outcome=Outcome.PENDING,
            reason=Reason.CREDENTIALS_REFUSED,
            observables=tuple(
                p._replace(outcome=Outcome.PENDING, reason=Reason.CREDENTIALS_REFUSED, expires=None)
                for p in i.observables
            ),
        )
        for i in [*sent, name]
    ]
    bad = part(Kind.URL, "https://update-cdn.example/a/b.php?id=7", Outcome.REJECTED, Reason.REJECTED)._replace(
        message="Indicator value is not a valid URL.",
    )
    rejected = item(
        "url",
        "hxxps://update-cdn[.]example/a/b.php?id=7",
        bad,
        reason=Reason.REJECTED,
        message="Indicator value is not a valid URL.",
    )
    defender = [rejected if i.type == "url" else i for i in sent]
    return account(
        destination("microsoft", [*sent, name, *_not_sent()]),
        replace(
            destination("microsoft defender-emea", [*defender, no_name, *_not_sent()]),
            product="Microsoft Defender",
            api="defender",
        ),
        destination(
            "microsoft soc-us",
            [*refused, *_not_sent()],
            State.REFUSED,
            "Entra says that the secret has expired (AADSTS7000222). "
            "Create a new one in Entra, put it into `appSecret`, then repeat.",
        ),
        warnings=("[misp] has no key: indicators are added and updated, never withdrawn.",),
    )


def every_outcome() -> Account:
    """Each outcome and each reason once, at one destination, and a withdrawal for an attribute that is gone."""
    going = [
        item("domain", f"{outcome}.example", part(Kind.DOMAIN_NAME, f"{outcome}.example", outcome))
        for outcome in (Outcome.ACCEPTED, Outcome.UNCHANGED, Outcome.MERGED, Outcome.WITHDRAWN)
    ]
    reasons = [skipped("domain", f"{reason}.example", reason) for reason in Reason]
    gone = Observable(Kind.DOMAIN_NAME, "gone.example")
    removed = Removed(gone.kind.value, gone.value, gone.stix_id(), Outcome.WITHDRAWN)
    return account(replace(destination("microsoft", [*going, *reasons]), removed=(removed,)))


def hostile() -> Account:
    """Hostile text wherever text can stand."""

    def bad(n: int) -> str:
        return HOSTILE[n % len(HOSTILE)]

    items = [
        item(
            bad(n),
            value,
            part(Kind.URL, value, Outcome.REJECTED, Reason.REJECTED),
            reason=Reason.REJECTED,
            message=bad(n + 1),
            notes=(bad(n + 2),),
        )
        for n, value in enumerate(HOSTILE)
    ]
    removed = tuple(Removed("url", value, part(Kind.URL, "x").indicator, Outcome.WITHDRAWN) for value in HOSTILE)
    places = [
        replace(destination(value or "microsoft", items, State.PAUSED, value), removed=removed)
        for value in HOSTILE[:10]
    ]
    events = (EventAccount(EVENT, " ".join(HOSTILE), "javascript:alert(1)", notes=HOSTILE),)
    return account(*places, events=events, ledger=HOSTILE[0], warnings=HOSTILE, door="cli")


def problem() -> Account:
    """The configuration cannot be used."""
    text = (
        "/etc/misp-modules-ext/rh-isac.conf: 2 problems in the configuration:\n"
        "  1. [microsoft] workspaceId: is missing. "
        "You find it at the Log Analytics workspace: Overview, Workspace ID.\n"
        "  2. [microsoft soc-emea] tenatId: unknown key. Did you mean `tenantId`?"
    )
    return account(events=(), problem=text, problem_code="configuration")


def many(attributes: int, destinations: int = 3) -> Account:
    """A large event: three of four attributes are sent, the others are skipped."""
    items = []
    for n in range(attributes):
        value = f"host-{n}.example"
        if n % 4:
            items.append(item("domain", value, part(Kind.DOMAIN_NAME, value)))
        else:
            items.append(skipped("domain", value, Reason.TO_IDS_OFF))
    return account(*(destination(f"microsoft soc-{n}", items) for n in range(destinations)))

"""What misp2sentinel's and misp2defender's files have in common: the MISP, expiry, and what has no equivalent."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from misp_modules_ext.config import values
from misp_modules_ext.config.sections import RH_ISAC
from misp_modules_ext.importing.carry import Old, carry, doubt, show_name
from misp_modules_ext.importing.draft import Draft, How, Row
from misp_modules_ext.importing.old_values import Env, Unknown, Value, table

#: Days: the longest life that our configuration allows.
LONGEST = values.LONGEST // values.UNITS["day"]
_RH_ISAC_HOST = "misp.rhisac.org"

_LOGGED = "Failures go to the log of the service or to standard error; `misp-microsoft status` shows what became of it."
_KEPT = "Every value is in the ledger: `misp-microsoft show VALUE`."

#: Old name -> why there is nothing to set.
BUILT_IN = {
    "misp_event_limit_per_page": "MISP is read in pages by itself.",
    "misp_flatten_attributes": "Attributes of objects are always read.",
    "write_parsed_indicators": _KEPT,
    "write_parsed_eventid": _KEPT,
    "misp_remove_eventreports": "Event reports never go.",
}
#: Old name -> what to do instead.
NOTHING = {
    "log_file": _LOGGED,
    "log_json_file": _LOGGED,
    "verbose_log": _LOGGED,
    "dry_run": "Nothing in the file switches sending off: use `misp-microsoft sync --dry-run` and `push --dry-run`.",
    "days_to_expire_ignore_misp_last_seen": "`last_seen` counts where it is later than the last change.",
    "misp_ignore_localtags": "Local tags never go to Microsoft, and count where tags are asked for.",
}


def misp(old: Old) -> str:
    """The MISP that was read; its section's name."""
    draft = old.draft
    url_name, url = old.take("misp_domain", "misp_url", "mispurl")
    key_name, key = old.take("misp_key", "misp_api_key", "mispkey")
    section = RH_ISAC if _is_rh_isac(url) else "misp"
    carry(
        draft,
        url_name,
        url,
        section,
        "url",
        placeholder="ADDRESS OF YOUR MISP HERE",
        missing="Write its address, as in the browser.",
        parse=values.address,
    )
    carry(
        draft,
        key_name,
        key,
        section,
        "key",
        placeholder="MISP API KEY HERE",
        missing="Without a key nothing is read from MISP.",
        secret=True,
        parse=values.secret,
    )
    if section == RH_ISAC:
        told = "`sync` takes of RH-ISAC's MISP only what carries `rhisac: vetted`. syncTags = none takes all."
        draft.tell(Row("(tags)", 0, f"[{section}] syncTags", How.DIFFERS, told))
    _certificate(old, section)
    # Helpers of the file of the Azure function.
    for helper in ("mispurl", "mispkey", "local_mode", "keyVaultName", "KVUri", "credential", "client"):
        old.left.pop(helper, None)
    return section


def _is_rh_isac(url: Value | None) -> bool:
    if url is None or not isinstance(url.data, str):
        return False
    try:
        return urlsplit(url.data.strip()).hostname == _RH_ISAC_HOST
    except ValueError:
        return False


def _certificate(old: Old, section: str) -> None:
    name, value = old.take("misp_verifycert")
    if value is None:
        return
    if isinstance(value.data, str) and value.data:
        carry(
            old.draft,
            name,
            value,
            section,
            "ca",
            placeholder="/absolute/path/of/ca.pem HERE",
            parse=values.absolute_path,
        )
    elif value.data is True:
        old.draft.tell(Row(name, value.line, "", How.BUILT_IN, "Certificates are always verified."))
    else:
        told = (
            f"Certificates are always verified. If your MISP has one of a private authority, name that in [{section}] "
            "ca = /path/of/authority.pem."
        )
        old.draft.tell(Row(name, value.line, "", How.REFUSED, told))


def expiry(old: Old, kinds: Mapping[str, tuple[str, ...]], unsaid: str) -> None:
    """`days_to_expire` and what goes with it.

    Args:
        old: the file.
        kinds: our kinds, by the old name of a kind in lower case.
        unsaid: what the old tool took to be of a kind that has no row.
    """
    name, value = old.take("days_to_expire")
    if value is not None:
        _window(old.draft, name, value, "window")
    else:
        told = f"It had no default of its own; without [indicator] window it is 120 days here.{unsaid}"
        old.draft.tell(Row(name, 0, "", How.DIFFERS, told))
    name, mapping = old.take("days_to_expire_mapping")
    if mapping is not None and not isinstance(mapping.data, dict):
        old.draft.tell(Row(name, mapping.line, "", How.NOT_UNDERSTOOD, "It is no table: write window.KIND yourself."))
    for kind, days in table(mapping).items():
        label = f'{name}["{show_name(kind)}"]'
        ours = kinds.get(kind.strip().lower(), ())
        if not ours:
            told = "No kind here has that name: see window.KIND in docs/configuration.md."
            old.draft.tell(Row(label, days.line, "", How.NOT_UNDERSTOOD, told))
        for one in ours:
            _window(old.draft, label, days, f"window.{one}")
    _start(old)


def _start(old: Old) -> None:
    name, value = old.take("days_to_expire_start")
    if value is None:
        return
    told = (
        "Counted from the latest of the attribute's last change, its last_seen, the event's publication, and the "
        "moment it was first taken. A sighting of expiration or a decay model in MISP comes before that."
    )
    old.draft.tell(Row(name, value.line, "[indicator] window", How.DIFFERS, told))


def _window(draft: Draft, old: str, value: Value, key: str) -> None:
    days = value.data
    section, new = "indicator", f"[indicator] {key}"
    if isinstance(days, str) and days.strip().isdigit() and len(days.strip()) < 10:
        days = int(days)
    if isinstance(days, Env):
        carry(draft, old, value, section, key, message="A plain number there counts as days.")
    elif isinstance(days, Unknown):
        draft.tell(Row(old, value.line, "", How.NOT_UNDERSTOOD, f"It {days.what}. {new} would take it."))
    elif isinstance(days, bool) or not isinstance(days, int) or days <= 0:
        draft.tell(Row(old, value.line, "", How.NOT_UNDERSTOOD, f"It is no number of days. {new} would take it."))
    elif days > LONGEST:
        told = f"Longer than the {LONGEST} days that are possible here."
        draft.put(section, key, (f"{LONGEST} days",), Row(old, value.line, new, How.TRANSLATED, told))
    else:
        row = Row(old, value.line, new, How.KEPT, doubt(value))
        draft.put(section, key, (f"{days} days",), row)


def window_of_tlp(old: Old, name: str, level: str) -> None:
    """An expiry of one TLP level."""
    _, value = old.take(name)
    if value is not None:
        _window(old.draft, name, value, f"window.tlp-{level}")


def confidence(old: Old) -> None:
    """The confidence where no tag says any."""
    name, value = old.take("default_confidence", "defaultConfidenceLevel")
    if value is not None:
        carry(old.draft, name, value, "indicator", "confidence", parse=values.whole(0, 100))


def local_tags(old: Old) -> None:
    """`ignore_localtags`."""
    name, value = old.take("ignore_localtags")
    if value is None:
        return
    if value.data is True:
        old.draft.tell(Row(name, value.line, "", How.BUILT_IN, "Local tags never go to Microsoft."))
    else:
        told = "Local tags never go to Microsoft here. Make those that shall go tags that are not local, in MISP."
        old.draft.tell(Row(name, value.line, "", How.DIFFERS, told))


def first_run(old: Old, section: str) -> None:
    """The steps that follow for each file."""
    option = "" if section == RH_ISAC else f" --misp {section}"
    steps = old.draft.steps
    steps.append("Build the index of MISP's warninglists: misp-microsoft warninglists")
    steps.append("Test it: misp-microsoft check")
    steps.append(f"See what would happen: misp-microsoft sync{option} --dry-run{_last(old.draft)}")
    steps.append(f"The first run: misp-microsoft sync{option}{_last(old.draft)}")
    steps.append(f"Then from cron, in place of the old tool: misp-microsoft sync{option}")


def _last(draft: Draft) -> str:
    return next((f" {row.new[5:]}" for row in draft.rows if row.new.startswith("sync --last")), "")

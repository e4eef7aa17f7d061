"""What is tried of one MISP: its key, and, for the one that our modules serve, what MISP needs to call them."""

from __future__ import annotations

import re

from misp_modules_ext.cli import looking
from misp_modules_ext.cli.checking import ways
from misp_modules_ext.cli.checking.groups import Group
from misp_modules_ext.cli.checking.here import UNREAD
from misp_modules_ext.cli.checking.settings import try_settings
from misp_modules_ext.config.settings import MispSettings
from misp_modules_ext.errors import TO_DO, EventNotFound, MispError, MispRefused
from misp_modules_ext.misp.examine import LATELY, Examiner, User
from misp_modules_ext.model.finding import Code, Finding
from misp_modules_ext.model.outcome import State

#: No event has this UUID: that MISP says so shows that it answers our key.
_NO_EVENT = "00000000-0000-4000-8000-000000000000"
#: Seconds for each answer of MISP's.
_PATIENCE = 20.0
_UNREAD = "Until then events are not read, and nothing is withdrawn."
_UNREAD_SYNC = "Until then `misp-microsoft sync` reads nothing there."
#: Rights that something of ours needs, with what; a role has many more.
_NEEDS = (
    ("perm_auth", "reading events"),
    ("perm_sync", "seeing deleted attributes, in a MISP of 2026"),
    ("perm_site_admin", "reading MISP's settings in this check"),
)
#: And when events get tags of ours.
_TAG_NEEDS = (
    ("perm_tagger", "putting tags on events"),
    ("perm_tag_editor", "creating these tags, if nobody else does"),
)


def group_of(misp: MispSettings, *, serves: bool, tags: bool = False) -> Group:
    """The group of a MISP.

    Args:
        misp: its section.
        serves: it is the MISP that our modules serve.
        tags: its events get tags of ours.
    """
    way = ways.way_to_misp(misp)
    return Group(misp.name, lambda group: _try(group, misp, serves=serves, tags=tags), [way], unfinished=5)


def _try(group: Group, misp: MispSettings, *, serves: bool, tags: bool) -> None:
    if not misp.has_key:
        words = looking.NO_KEY if serves else f"Add `key` to [{misp.name}] if `misp-microsoft sync` is to read there."
        group.add(Finding(Code.NO_KEY, "MISP", UNREAD, words))
        return
    examiner = Examiner(misp, timeout=_PATIENCE)
    answers = _answers(examiner, misp, serves=serves)
    group.add(answers)
    if not answers.ok:
        return
    user: User | None = None
    try:
        group.add(_version(examiner.version()))
        user = examiner.user()
        group.add(_rights(user, tags=tags), _deleted(examiner, user))
        if serves:
            try_settings(group, examiner)
    except MispError as error:
        happened, _, remedy = str(error).partition(TO_DO)
        state = State.REFUSED if isinstance(error, MispRefused) else State.UNREACHABLE
        group.add(Finding(Code.RIGHTS if user is None else Code.SETTINGS, "MISP", happened, remedy, state))


def _answers(examiner: Examiner, misp: MispSettings, *, serves: bool) -> Finding:
    """Whether events can be read."""
    until = _UNREAD if serves else _UNREAD_SYNC
    through = ways.proxy_of(misp.url)
    proxy = f" It is asked through the proxy {through}." if through else ""
    try:
        examiner.read_event(_NO_EVENT)
    except EventNotFound:
        told = f" {looking.READS}" if serves else ""
        return Finding(Code.MISP, "MISP", f"{misp.url} answers the key of [{misp.name}].{told}{proxy}")
    except MispError as error:
        happened, _, remedy = str(error).partition(TO_DO)
        state = State.REFUSED if isinstance(error, MispRefused) else State.UNREACHABLE
        return Finding(Code.MISP, "MISP", happened + proxy, f"{remedy} {until}".strip(), state)
    happened = f"{misp.url} shows an event that nobody has: it is no MISP."
    return Finding(Code.MISP, "MISP", happened, f"correct `url` of [{misp.name}]. {until}", State.UNREACHABLE)


def _version(version: str) -> Finding:
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    numbers = tuple(map(int, found.groups())) if found else (0, 0, 0)
    known, remedy = "", ""
    if numbers[:2] == (2, 5):
        known = "2.5 is what this version was made for: 2.5.1 was run, files of 2026 were read."
        if (2, 5, 27) <= numbers <= (2, 5, 33):
            remedy = (
                "in 2.5.27 to 2.5.33 a workflow that fails does not stop a publish (MISP issue 10690), so "
                "`push_to_microsoft_or_stop` stops none: upgrade MISP if you use it."
            )
    else:
        known = "This version was made for MISP 2.5 and not tried with another."
        remedy = "upgrade to MISP 2.5, or try a push of one event before you rely on it."
    return Finding(Code.MISP_VERSION, "MISP's version", f"{version}. {known}", remedy)


def _rights(user: User, *, tags: bool) -> Finding:
    wanted = (*_NEEDS, *(_TAG_NEEDS if tags else ()))
    needed = [f"{right} ({what}): {'yes' if right in user.rights else 'no'}" for right, what in wanted]
    who = f"user {user.number} of {user.org}, role {user.role}"
    remedy = ""
    if tags and "perm_tagger" not in user.rights:
        remedy = "give the role perm_tagger, or set `tags` of [write-back] to no: until then events get no tags."
    return Finding(Code.RIGHTS, "the key's user", f"{who}. {'; '.join(needed)}.", remedy)


def _deleted(examiner: Examiner, user: User) -> Finding:
    what = "deleted attributes"
    if examiner.shows_deleted():
        return Finding(Code.DELETED, what, "are shown to this key.")
    happened = (
        f"none of the last {LATELY.removesuffix('d')} days was shown: there is none, or the key may not see them."
    )
    advice = (
        "nothing is lost by that: a complete reading shows what is no longer there. With perm_sync for the role of the "
        "key's user MISP says of each which it is."
    )
    return Finding(Code.DELETED, what, happened, "" if "perm_sync" in user.rights else advice)

"""MISP's settings that our modules depend on, and the misp-modules service that they name.

Defaults and names: MISP's `Server` and `Module` models (2.5.1 read in source). Whether an installation uses the menu,
workflows or only the command line is not known here: what is switched off is told as advice, not as a failure.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from misp_modules_ext import __version__
from misp_modules_ext.cli.checking.groups import Group
from misp_modules_ext.cli.checking.service import Service, list_modules
from misp_modules_ext.cli.modules import root
from misp_modules_ext.errors import MispRefused
from misp_modules_ext.misp.examine import Examiner, is_on
from misp_modules_ext.model.finding import Code, Finding
from misp_modules_ext.report.text import listed

#: MISP's name of a family by the folder of its modules.
_FAMILIES = {"export_mod": "Export", "action_mod": "Action", "expansion": "Enrichment"}
#: Seconds that MISP should wait for a family: see the README. Its own default is 10.
PATIENCE = {"Export": 60, "Action": 10, "Enrichment": 10}
#: Where MISP looks unless it is told otherwise.
DEFAULT = "http://127.0.0.1:6666"
_WHERE = "Administration > Server Settings & Maintenance"


class Read(NamedTuple):
    """What MISP has set for a family; `modules` says for each of ours whether it is on, `None` where it is unknown."""

    family: str
    on: bool
    url: str
    port: str
    timeout: int
    modules: dict[str, bool | None]


def families() -> dict[str, list[str]]:
    """The names of our modules by MISP's name of their family."""
    found: dict[str, list[str]] = {}
    for folder, family in _FAMILIES.items():
        names = sorted(path.stem for path in root().glob(f"{folder}/*.py") if not path.stem.startswith("_"))
        if names:
            found[family] = names
    return found


def try_settings(group: Group, examiner: Examiner) -> None:
    """Read the settings, where the key may, and ask the service that they name.

    Raises:
        MispError: MISP did not answer.
    """
    try:
        jobs = examiner.setting("MISP.background_jobs")
    except MispRefused:
        group.add(Finding(Code.SETTINGS, "MISP's settings", _CLOSED, _by_hand()))
        _try_services(group, [Service(DEFAULT, ())])
        return
    group.add(Finding(Code.SETTINGS, "MISP's settings", "can be read."))
    group.add(_workflows(is_on(jobs), is_on(examiner.setting("Plugin.Workflow_enable"))))
    found = [_read(examiner, family, names) for family, names in families().items()]
    for read in found:
        group.add(_switched_on(read))
        if read.on:
            group.add(_patience(read))
    services: dict[str, list[str]] = {}
    for read in found:
        services.setdefault(f"{read.url.rstrip('/')}:{read.port}", []).append(read.family)
    _try_services(group, [Service(address, tuple(names)) for address, names in services.items()])


_CLOSED = "cannot be read with this key, which takes the role of a site administrator."


def _by_hand() -> str:
    """What to look for where it cannot be read."""
    ours = families()
    enable = ", ".join(f"`Plugin.{family}_services_enable`" for family in ours)
    modules = ", ".join(f"`Plugin.{family}_{name}_enabled`" for family, names in ours.items() for name in names)
    times = ", ".join(f"`Plugin.{family}_timeout` {PATIENCE[family]} or more" for family in ours)
    return (
        f"have an administrator look in MISP ({_WHERE}): `MISP.background_jobs` and `Plugin.Workflow_enable` true for "
        f"workflows; {enable} true, with the address of misp-modules in `…_services_url` and `…_services_port`; "
        f"{modules} true for what is used; {times}."
    )


def _read(examiner: Examiner, family: str, names: list[str]) -> Read:
    def _of(name: str) -> Any:
        return examiner.setting(f"Plugin.{family}_{name}")

    on = is_on(_of("services_enable"))
    modules: dict[str, bool | None] = {}
    for name in names:
        found = _of(f"{name}_enabled")
        modules[name] = None if found is None else is_on(found)
    url, port = _of("services_url") or DEFAULT.rpartition(":")[0], _of("services_port") or 6666
    return Read(family, on, without_password(str(url)), str(port), _whole(_of("timeout")), modules)


def without_password(url: str) -> str:
    """An address as it may be told, and asked: what stands in it for MISP's eyes is for nobody else's."""
    scheme, mark, rest = url.rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"


def _whole(value: object) -> int:
    """Seconds; MISP takes 10 for what is no number."""
    try:
        return int(str(value)) or 10
    except ValueError:
        return 10


def _workflows(jobs: bool, workflows: bool) -> Finding:
    told = f"`MISP.background_jobs` {_word(jobs)}, `Plugin.Workflow_enable` {_word(workflows)}."
    remedy = (
        "" if jobs and workflows else f"workflows need both ({_WHERE}); the menu and the command line need neither."
    )
    return Finding(Code.WORKFLOWS, "workflows", told, remedy)


def _switched_on(read: Read) -> Finding:
    what = f"modules of the family {read.family}"
    if not read.on:
        remedy = f"set `Plugin.{read.family}_services_enable` to true ({_WHERE} > Plugin) to use them."
        return Finding(Code.MODULES_ON, what, f"`Plugin.{read.family}_services_enable` is off.", remedy)
    states = {True: "on", False: "off", None: "not known to MISP"}
    told = ", ".join(f"{name} {states[on]}" for name, on in read.modules.items()) + "."
    off = [f"`Plugin.{read.family}_{name}_enabled`" for name, on in read.modules.items() if on is False]
    unseen = [name for name, on in read.modules.items() if on is None]
    remedies = []
    if unseen:
        remedies.append(
            f"MISP does not see {listed(unseen)} at {read.url}:{read.port}: see that misp-modules runs there and loads "
            "our modules (docs/install.md)."
        )
    if off:
        remedies.append(f"set {listed(off)} to true if it is to be used.")
    if read.family == "Action":
        told += " Whether a workflow may use them is kept elsewhere, which no API tells: Workflows > List Modules."
    return Finding(Code.MODULES_ON, what, told, " ".join(remedies))


def _patience(read: Read) -> Finding:
    wanted = PATIENCE[read.family]
    told = f"MISP waits {read.timeout} seconds."
    remedy = "" if read.timeout >= wanted else f"set `Plugin.{read.family}_timeout` to {wanted}: see the README."
    return Finding(Code.PATIENCE, f"patience with the family {read.family}", told, remedy)


def _word(on: bool) -> str:
    return "is on" if on else "is off"


def _try_services(group: Group, services: list[Service]) -> None:
    ours = families()
    for service in services:
        # An address that is none names no host.
        if service.families and service.way.host:
            group.lead(service.way)
        names = [name for family, some in ours.items() for name in some if family in (service.families or ours)]
        group.add(*_served(service, names))


def _served(service: Service, names: list[str]) -> list[Finding]:
    what = f"misp-modules at {service.address}"
    known = f"(in MISP's settings for {listed(service.families)})" if service.families else "(MISP's own default)"
    found = list_modules(service)
    if found.problem:
        remedy = (
            "if MISP sees the modules all the same, only this machine does not reach that address. Else start the "
            f"service (`misp-microsoft serve`), and open {service.address} for MISP's server."
        )
        return [Finding(Code.SERVICE, what, f"{known} {found.problem}, asked from this machine.", remedy)]
    answers = Finding(Code.SERVICE, what, f"{known} answers and lists {len(found.versions)} modules.")
    missing = [name for name in names if name not in found.versions]
    if missing:
        told = f"does not list {listed(missing)}."
        remedy = "have it load our modules: `misp-microsoft serve`, or -c as docs/install.md says, and start it again."
        return [answers, Finding(Code.SERVED, what, told, remedy)]
    versions = sorted({found.versions[name] or "unknown" for name in names})
    told = f"lists {listed(names)}, version {listed(versions)}."
    remedy = "" if versions == [__version__] else f"this is version {__version__}: restart it after an upgrade."
    return [answers, Finding(Code.SERVED, what, told, remedy)]

"""The configuration as one frozen object. Every key of DESIGN.md 5 has a field here or stands in `notyet.py`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from misp_modules_ext.config import places
from misp_modules_ext.config import warninglists as lists
from misp_modules_ext.model.indicator import BLOCKING, Action, Kind, Severity
from misp_modules_ext.model.misp import Pap, Tlp

DAY = 86_400
#: The last part of the path of Sentinel's upload, as Microsoft's page of the API spells it.
UPLOAD_PATH = "threat-intelligence-stix-objects:upload"


class Frozen(BaseModel):
    """Base of all sections."""

    # Pydantic's own messages show the input; a secret must not stand in one.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Api(str, Enum):
    """Which of Microsoft's APIs a destination speaks."""

    SENTINEL = "sentinel"
    DEFENDER = "defender"
    GRAPH = "graph"

    def __str__(self) -> str:
        return self.value


class Auth(str, Enum):
    """How an application signs in at Entra."""

    SECRET = "secret"  # noqa: S105 - the name of a kind
    CERTIFICATE = "certificate"
    MANAGED_IDENTITY = "managed-identity"
    WORKLOAD_IDENTITY = "workload-identity"

    def __str__(self) -> str:
        return self.value


class ContextAs(str, Enum):
    """How threat actors and techniques go to Sentinel."""

    LABELS = "labels"
    OBJECTS = "objects"

    def __str__(self) -> str:
        return self.value


class Selection(Frozen):
    """Which attributes go (section `selection`, or the same keys at a destination). Times of grace are seconds."""

    to_ids: bool = True
    published: bool = True
    unpublished_grace: int = 14 * DAY
    missing_grace: int = 14 * DAY
    types: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    exclude_tags: frozenset[str] = frozenset()
    pick_tag: str = "microsoft:push"
    max_tlp: Tlp = Tlp.AMBER_STRICT
    max_pap: Pap = Pap.AMBER
    min_distribution: int = 0
    sharing_groups: frozenset[str] = frozenset()
    orgs: frozenset[str] = frozenset()
    exclude_orgs: frozenset[str] = frozenset()
    warninglists: frozenset[str] = frozenset(lists.DEFAULT)
    allow_documentation_ranges: bool = False
    #: `syncTags` of each MISP by its address: events that `sync` reads there go by them too.
    sync_tags: tuple[tuple[str, frozenset[str]], ...] = ()


class IndicatorRules(Frozen):
    """How indicators are made (section `indicator`, or the same keys at a destination). Windows are seconds."""

    window: int = 120 * DAY
    window_by_kind: tuple[tuple[Kind, int], ...] = ()
    window_by_tlp: tuple[tuple[Tlp, int], ...] = ()
    confidence: int = 50
    threat_type: str = "WatchList"
    tlp: Tlp = Tlp.AMBER
    labels: tuple[str, ...] = ()


class ActionRules(Frozen):
    """What Defender is to do on a match, and who may ask for it (keys of a destination).

    Attributes:
        action: of attributes without one of the tags.
        block_tags: these and the other sets of tags are in lower case.
        block_orgs: UUIDs of the organisations whose events may ask for more than an alert.
        never_block: host names, IP addresses and ranges, and hashes, each as `config.never_block` writes them.
        graph: the destination knows Graph's actions only.
    """

    action: Action = Action.AUDIT
    block_tags: frozenset[str] = frozenset()
    block_and_remediate_tags: frozenset[str] = frozenset()
    warn_tags: frozenset[str] = frozenset()
    audit_tags: frozenset[str] = frozenset()
    allow_tags: frozenset[str] = frozenset()
    block_orgs: frozenset[str] = frozenset()
    never_block: frozenset[str] = frozenset()
    graph: bool = False

    @property
    def acts(self) -> bool:
        """Whether anything but an alert may come of it."""
        return self.blocks or self.action is not Action.AUDIT or bool(self.allow_tags)

    @property
    def blocks(self) -> bool:
        """Whether anything may be blocked or warned of."""
        return self.action in BLOCKING or bool(self.block_tags or self.block_and_remediate_tags or self.warn_tags)


class MispSettings(Frozen):
    """A MISP instance (`RH-ISAC MISP`, `misp`, `misp NAME`)."""

    name: str
    url: str
    key: SecretStr | None = None
    ca: Path | None = None
    sync_tags: tuple[str, ...] = ()
    sightings: bool | None = None

    @property
    def address(self) -> str:
        """`url` in the one spelling by which it is compared, and by which `Event.misp` calls this MISP."""
        return self.url.rstrip("/").lower()

    @property
    def has_key(self) -> bool:
        """Whether it can be read; a blank key, as an empty variable of a container gives it, is none."""
        return self.key is not None and bool(self.key.get_secret_value().strip())


class DestinationSettings(Frozen):
    """A store at Microsoft (`microsoft`, `microsoft NAME`).

    Attributes:
        app_id: of the application, or of a user-assigned managed identity; `""` for a system-assigned one.
        app_secret: blank unless `auth` is SECRET.
        references: where secrets stand that are not in the file, as (field, `env:NAME` or `file:/path`).
        endpoint_management: origin of Azure's resource manager, for Sentinel; `""` is `endpoint_api`.
        endpoint_logs: origin of Log Analytics' query API, for Sentinel; `""` is `endpoint_api`.
        logs_scope: what to ask Entra for there.
        endpoint_hunting: origin of Graph, for Defender's advanced hunting and alerts; `""` is `endpoint_api`.
        hunting_scope: what to ask Entra for there.
        subscription_id: with `resource_group` and `workspace_name` what reading back from Sentinel needs; all or none.
        max_per_day: new indicators in 24 hours; 0 is no limit.
        max_indicators: of ours at once, for Defender.
        max_withdraw: withdrawals in 24 hours, in place of the rule of DESIGN.md 4, rule 5.
    """

    name: str
    product: str
    api: Api
    tenant_id: str
    app_id: str
    auth: Auth = Auth.SECRET
    app_secret: SecretStr = SecretStr("")
    certificate: Path | None = None
    certificate_password: SecretStr | None = None
    identity_client_id: str = ""
    federated_token_file: Path | None = None
    references: tuple[tuple[str, str], ...] = ()
    workspace_id: str = ""
    cloud: str = "global"
    endpoint_login: str
    endpoint_api: str
    endpoint_management: str = ""
    endpoint_logs: str = ""
    logs_scope: str = "https://api.loganalytics.io/.default"
    endpoint_hunting: str = ""
    hunting_scope: str = "https://graph.microsoft.com/.default"
    scope: str
    ca: Path | None = None
    api_version: str = ""
    upload_path: str = UPLOAD_PATH
    source_system: str = "MISP-modules-ext"
    subscription_id: str = ""
    resource_group: str = ""
    workspace_name: str = ""
    hard_delete: bool = False
    context: ContextAs = ContextAs.LABELS
    severity: Severity | None = None
    generate_alert: bool = True
    rbac_group_names: tuple[str, ...] = ()
    doors: frozenset[str] = frozenset({"export", "action", "expansion", "cli", "sync"})
    max_per_event: int = 10_000
    max_per_day: int = 50_000
    max_indicators: int = 14_000
    max_withdraw: int | None = None
    selection: Selection = Selection()
    indicator: IndicatorRules = IndicatorRules()
    actions: ActionRules = ActionRules()

    @property
    def sends_objects(self) -> bool:
        """Whether threat actors and techniques go as objects of their own: only Sentinel has a place for them."""
        return self.api is Api.SENTINEL and self.context is ContextAs.OBJECTS

    @property
    def store(self) -> tuple[str, str, str, str]:
        """What makes this destination itself: (api, tenant, workspace, source system)."""
        return (self.api.value, self.tenant_id.lower(), self.workspace_id.lower(), self.source_system)


class LedgerSettings(Frozen):
    """Where is kept what was pushed, and how long (section `ledger`).

    Attributes:
        url: of the database; may hold a password.
        retention: seconds that submissions are kept.
    """

    url: SecretStr
    retention: int = 400 * DAY


#: Who can be asked about the estate.
SOURCES = ("statistics", "hunting", "logs")


class LookupSettings(Frozen):
    """What Microsoft is asked about values (section `lookup`).

    Attributes:
        estate: whether it is asked what was seen in the estate.
        window: seconds that the estate is asked back.
        sources: of `SOURCES`, those that are asked about the estate.
        cache: seconds that an answer is used again.
    """

    estate: bool = False
    window: int = 30 * DAY
    sources: frozenset[str] = frozenset({"statistics"})
    cache: int = 300


class WriteBackSettings(Frozen):
    """What goes back to MISP (section `write-back`).

    Attributes:
        tags: whether events of which something is at Microsoft get a local tag.
        detail: whether they get one for each destination, too, and sightings name destinations and hits.
        sightings: whether hits at Microsoft become sightings.
        false_positives: whether alerts that people classified as false positives do, too.
    """

    tags: bool = False
    detail: bool = False
    sightings: bool = False
    false_positives: bool = False


def _beside(fields: dict[str, Any]) -> LedgerSettings:
    return LedgerSettings(url=SecretStr(places.ledger(fields["path"])))


class Settings(Frozen):
    """The whole file.

    Attributes:
        path: where it was read from.
        misp: the MISP these modules serve (`[misp]`), for links.
        rh_isac: the MISP that `sync` reads.
        ledger: where is kept what was pushed; never absent.
        queue_url: of the Redis that wakes the workers (section `queue`), `None` when each process wakes itself.
        lookup: what Microsoft is asked about values (section `lookup`).
        looks_up: whether the file has that section; without it values can be looked up, too.
        write_back: what goes back to MISP (section `write-back`).
        warnings: what is odd but usable, as sentences.
    """

    path: Path
    misp: MispSettings | None = None
    rh_isac: MispSettings | None = None
    other_misps: tuple[MispSettings, ...] = ()
    destinations: tuple[DestinationSettings, ...] = ()
    ledger: LedgerSettings = Field(default_factory=_beside)
    queue_url: SecretStr | None = None
    lookup: LookupSettings = LookupSettings()
    looks_up: bool = False
    write_back: WriteBackSettings = WriteBackSettings()
    warnings: tuple[str, ...] = ()

    @property
    def reads_misp(self) -> bool:
        """Whether events can be read from the MISP that these modules serve."""
        return self.misp is not None and self.misp.has_key

    @property
    def other_readable(self) -> tuple[str, ...]:
        """The sections of the other MISPs from which events can be read."""
        return tuple(misp.name for misp in (self.rh_isac, *self.other_misps) if misp is not None and misp.has_key)

    @property
    def warninglist_index(self) -> Path:
        """Where `misp-microsoft warninglists` puts the index, and where attributes are looked up."""
        return places.warninglists(self.path)

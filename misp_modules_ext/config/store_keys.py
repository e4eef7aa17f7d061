"""The keys of the sections that name a store: a MISP, or a destination at Microsoft."""

from __future__ import annotations

from misp_modules_ext.config import azure_names, values
from misp_modules_ext.config.action_keys import ACTIONS
from misp_modules_ext.config.brake_keys import BRAKES
from misp_modules_ext.config.clouds import CLOUDS, SENTINEL_API_VERSION
from misp_modules_ext.config.key import DEFENDER, LIST, SENTINEL, Key
from misp_modules_ext.config.settings import UPLOAD_PATH, Api, ContextAs
from misp_modules_ext.config.sign_in_keys import SIGN_IN
from misp_modules_ext.model.account import DOORS
from misp_modules_ext.model.indicator import Severity

#: The API behind each product, by the product's name as RH-ISAC's file and Microsoft write it.
PRODUCTS = {
    "Azure Sentinel": Api.SENTINEL,
    "Microsoft Sentinel": Api.SENTINEL,
    "Microsoft Defender ATP": Api.DEFENDER,
    "Microsoft Defender": Api.DEFENDER,
}


_severity = values.one_of({level.label: level for level in Severity}, "a severity")

MISP = (
    Key(
        "url",
        "url",
        values.address,
        "address",
        "Where this MISP is. Reports link to the one of `[misp]`.",
        instead="`https://misp.rhisac.org` in `[RH-ISAC MISP]`; required elsewhere",
    ),
    Key(
        "key",
        "key",
        values.secret,
        "secret",
        "An authentication key of that MISP. With the one of `[misp]` the modules read each pushed event again, which "
        "is what allows withdrawing: without it they add and update only.",
        instead="none",
        secret=True,
    ),
    Key(
        "ca",
        "ca",
        values.absolute_path,
        "absolute path",
        "PEM file with the certificate authorities to trust for this MISP, when it has a certificate of a private one.",
        instead="the system's authorities",
    ),
    Key(
        "syncTags",
        "sync_tags",
        values.entries,
        f"{LIST} of tags, or `none`",
        "What `misp-microsoft sync` takes from this MISP: only attributes that carry one of these tags, themselves or "
        "through their event, in any case of letters. Of sections with one address the tags of all count.",
        instead="`rhisac: vetted` in `[RH-ISAC MISP]`; elsewhere all that the other rules let through",
    ),
    Key(
        "sightings",
        "sightings",
        values.boolean,
        "yes or no",
        "Whether this MISP is told what Microsoft has seen, with `[write-back] sightings`. On a community's MISP other "
        "organisations may then see that you have seen it. Of sections with one address, one that says no counts.",
        instead="`yes` in `[misp]`, `no` elsewhere",
    ),
)

DESTINATION = (
    Key(
        "product",
        "product",
        values.one_of(values.words(PRODUCTS), "a product"),
        ", ".join(f"`{product}`" for product in PRODUCTS),
        "Which product receives the indicators. The names of a product mean the same.",
        instead="required",
    ),
    Key(
        "api",
        "api",
        values.one_of({api.value: api for api in Api}, "an API"),
        "`sentinel`, `defender`, `graph`",
        "Which of Microsoft's APIs is used: Sentinel's STIX objects upload, Defender's indicators, or Graph "
        "tiIndicators. Microsoft retired tiIndicators in April 2026; use `graph` only for a tenant that still answers.",
        instead="from `product`",
    ),
    *SIGN_IN,
    Key(
        "workspaceId",
        "workspace_id",
        values.workspace,
        "GUID",
        f"The Log Analytics workspace of Sentinel: {values.WHERE_WORKSPACE}.",
        instead="required for Sentinel",
        apis=SENTINEL,
    ),
    Key(
        "cloud",
        "cloud",
        values.one_of(values.words(CLOUDS), "a cloud"),
        "`global`, `gcc`, `gcc-high`, `dod`",
        "Microsoft's cloud that holds the tenant. See the table of clouds below.",
        default="global",
    ),
    Key(
        "endpoint.login",
        "endpoint_login",
        values.origin,
        "https address",
        "Where to ask for tokens, in place of the cloud's own address.",
        instead="from `cloud`",
    ),
    Key(
        "endpoint.api",
        "endpoint_api",
        values.origin,
        "https address",
        "Where the API is, in place of the cloud's own address: a regional host of Defender, a gateway, the emulator.",
        instead="from `cloud` and `api`",
    ),
    Key(
        "endpoint.scope",
        "scope",
        values.scope,
        "https address ending in `/.default`",
        "For what a token is asked, in place of the cloud's own. Only for a cloud whose scope is not documented.",
        instead="from `cloud` and `api`",
    ),
    Key(
        "endpoint.management",
        "endpoint_management",
        values.origin,
        "https address",
        "Where Azure's resource manager is, for reading back from Sentinel.",
        instead="`endpoint.api` when that is set, else from `cloud`",
        apis=SENTINEL,
    ),
    Key(
        "endpoint.logs",
        "endpoint_logs",
        values.origin,
        "https address",
        "Where Log Analytics is asked about values in Sentinel's workspace.",
        instead="`endpoint.api` when that is set, else from `cloud`",
        apis=SENTINEL,
    ),
    Key(
        "endpoint.logsScope",
        "logs_scope",
        values.scope,
        "https address ending in `/.default`",
        "For what a token for Log Analytics is asked, in place of the cloud's own.",
        instead="from `cloud`",
        apis=SENTINEL,
    ),
    Key(
        "endpoint.hunting",
        "endpoint_hunting",
        values.origin,
        "https address",
        "Where Graph is, whose advanced hunting is asked about values in Defender's estate, and whose alerts are read.",
        instead="`endpoint.api` when that is set and no host of Microsoft's, else from `cloud`",
        apis=DEFENDER,
    ),
    Key(
        "ca",
        "ca",
        values.absolute_path,
        "absolute path",
        "PEM file with the certificate authorities to trust for login and API: an inspecting proxy, the emulator. "
        "TLS is always verified.",
        instead="the system's authorities",
    ),
    Key(
        "apiVersion",
        "api_version",
        values.api_version,
        "version",
        "Version of Sentinel's upload API.",
        default=SENTINEL_API_VERSION,
        apis=SENTINEL,
    ),
    Key(
        "uploadPath",
        "upload_path",
        values.upload_path,
        "word",
        "The last part of the path of Sentinel's upload. For US Government clouds Microsoft's connector template "
        "spells it `threatintelligence-stix-objects:upload`, and which spelling holds there is not documented.",
        default=UPLOAD_PATH,
        apis=SENTINEL,
    ),
    Key(
        "sourceSystem",
        "source_system",
        values.source_system,
        "text, at most 256 characters",
        "What Sentinel shows as the source, and part of an indicator's identity there; Defender's `application`. "
        "Another name later means other indicators.",
        default="MISP-modules-ext",
        apis=SENTINEL | DEFENDER,
    ),
    Key(
        "subscriptionId",
        "subscription_id",
        values.guid,
        "GUID",
        "For reading back from Sentinel, together with `resourceGroup` and `workspaceName`: the Azure subscription of "
        f"the workspace. {azure_names.WHERE_SUBSCRIPTION}.",
        instead="no reading back",
        apis=SENTINEL,
    ),
    Key(
        "resourceGroup",
        "resource_group",
        azure_names.resource_group,
        "name",
        "The resource group of the workspace.",
        instead="no reading back",
        apis=SENTINEL,
    ),
    Key(
        "workspaceName",
        "workspace_name",
        azure_names.workspace,
        "name",
        "The name of the workspace that has the `workspaceId`.",
        instead="no reading back",
        apis=SENTINEL,
    ),
    Key(
        "hardDelete",
        "hard_delete",
        values.boolean,
        "yes or no",
        "Delete withdrawn indicators from Sentinel instead of marking them revoked; needs the three keys above. "
        "Microsoft does not document this deletion, and the log tables keep their rows either way.",
        default="no",
        apis=SENTINEL,
    ),
    Key(
        "context",
        "context",
        values.one_of({way.value: way for way in ContextAs}, "a way to send context"),
        "`labels`, `objects`",
        "How threat actors and techniques of ATT&CK go to Sentinel. As labels they always do; `objects` sends STIX "
        "objects (threat-actor, attack-pattern) beside them, each once, and ties them to the indicators by "
        "relationships, one more object for each pair: see docs/context.md.",
        default="labels",
        apis=SENTINEL,
    ),
    *ACTIONS,
    Key(
        "severity",
        "severity",
        _severity,
        "`Informational`, `Low`, `Medium`, `High`",
        "Severity of the alert.",
        instead="from the event's threat level",
        apis=DEFENDER | {Api.GRAPH},
    ),
    Key(
        "generateAlert",
        "generate_alert",
        values.boolean,
        "yes or no",
        "Whether a match raises an alert. Microsoft requires `yes` with `Audit`.",
        default="yes",
        apis=DEFENDER,
    ),
    Key(
        "rbacGroupNames",
        "rbac_group_names",
        values.entries,
        LIST,
        "Device groups of Defender that the indicators apply to.",
        instead="all devices",
        apis=DEFENDER,
    ),
    Key(
        "doors",
        "doors",
        values.each(values.one_of(values.words(DOORS), "a door")),
        f"{LIST} of " + ", ".join(f"`{door}`" for door in DOORS),
        "Who may push to this destination: the download menu, the workflow actions, the enrichment, the command line, "
        "the sync job. `none` closes it. A destination that may block is closed to `export`, which any reader of an "
        "event can use, unless it is named here.",
        default="\n".join(DOORS),
    ),
    *BRAKES,
)

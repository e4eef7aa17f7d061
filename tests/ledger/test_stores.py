"""What a rejection depends on: every field of a destination's settings is either in or out."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from misp_modules_ext.config.settings import (
    ActionRules,
    Api,
    Auth,
    ContextAs,
    DestinationSettings,
    IndicatorRules,
    Selection,
)
from misp_modules_ext.ledger.stores import DECIDING, RESOURCES, configuration_of
from misp_modules_ext.model.indicator import Severity
from misp_modules_ext.model.misp import Tlp
from tests.support.build import destination

#: Another value of each field that decides.
IN = {
    "product": "Microsoft Defender",
    "api": Api.GRAPH,
    "tenant_id": "99999999-1111-4111-8111-111111111111",
    "workspace_id": "99999999-3333-4333-8333-333333333333",
    "cloud": "gcc",
    "endpoint_api": "https://127.0.0.1:2",
    "upload_path": "threatintelligence-stix-objects:upload",
    "api_version": "2030-01-01",
    "source_system": "SOC",
    "hard_delete": True,
    "context": ContextAs.OBJECTS,
    "severity": Severity.HIGH,
    "generate_alert": False,
    "rbac_group_names": ("servers",),
    "selection": Selection(max_tlp=Tlp.CLEAR),
    "indicator": IndicatorRules(confidence=51),
    "actions": ActionRules(never_block=frozenset({"example.org"})),
}
#: Another value of each field that decides where resources are deleted.
IN_WITH_HARD_DELETE = {
    "endpoint_management": "https://127.0.0.1:3",
    "subscription_id": "99999999-4444-4444-8444-444444444444",
    "resource_group": "soc",
    "workspace_name": "soc",
}
#: Another value of each field in which machines that share a ledger may differ.
OUT = {
    "name": "microsoft soc",
    "app_id": "99999999-2222-4222-8222-222222222222",
    "app_secret": SecretStr("another"),
    "auth": Auth.CERTIFICATE,
    "certificate": Path("/elsewhere/application.pem"),
    "certificate_password": SecretStr("another"),
    "identity_client_id": "99999999-5555-4555-8555-555555555555",
    "federated_token_file": Path("/elsewhere/token"),
    "references": (("app_secret", "env:OTHER"),),
    "endpoint_login": "https://127.0.0.1:4",
    "scope": "https://example.org/.default",
    "endpoint_logs": "https://127.0.0.1:5",
    "logs_scope": "https://example.org/.default",
    "endpoint_hunting": "https://127.0.0.1:6",
    "hunting_scope": "https://example.org/.default",
    "ca": Path("/elsewhere/ca.pem"),
    "doors": frozenset({"sync"}),
    "max_per_event": 1,
    "max_per_day": 1,
    "max_indicators": 1,
    "max_withdraw": 1,
}
PLAIN = destination()
DELETING = destination(hard_delete=True)


def _differs(settings: DestinationSettings, **fields: object) -> bool:
    return configuration_of(settings.model_copy(update=fields)) != configuration_of(settings)


def test_every_field_is_decided_on() -> None:
    """A new one fails here: name it in `stores.DECIDING` and in `IN`, or in `OUT`."""
    assert {*IN, *IN_WITH_HARD_DELETE, *OUT} == set(DestinationSettings.model_fields)
    assert (set(IN), set(IN_WITH_HARD_DELETE)) == (DECIDING, RESOURCES)
    assert not OUT.keys() & (DECIDING | RESOURCES)


@pytest.mark.parametrize("field", sorted(IN))
def test_what_a_rejection_depends_on_makes_it_due_again(field: str) -> None:
    """Content, how it is written down and sent, and the store itself."""
    assert _differs(PLAIN, **{field: IN[field]})


@pytest.mark.parametrize("field", sorted(IN_WITH_HARD_DELETE))
def test_where_resources_are_counts_when_they_are_deleted(field: str) -> None:
    """Else a machine may know it that reconciles, and others need not."""
    change = {field: IN_WITH_HARD_DELETE[field]}
    assert (_differs(PLAIN, **change), _differs(DELETING, **change)) == (False, True)


@pytest.mark.parametrize("field", sorted(OUT))
def test_machines_that_share_a_ledger_may_differ_in_the_rest(field: str) -> None:
    """Else what one was refused would be due again whenever the other one looks."""
    assert not _differs(PLAIN, **{field: OUT[field]})


def test_the_names_of_a_product_and_graces_mean_the_same() -> None:
    """Neither is what an indicator says."""
    assert not _differs(PLAIN, product="Azure Sentinel")
    assert not _differs(
        PLAIN, selection=PLAIN.selection.model_copy(update={"missing_grace": 1, "unpublished_grace": 1})
    )


def test_sets_come_in_no_order() -> None:
    """Each process has its own order of them."""
    tags = [f"tag:{number}" for number in range(50)]
    one, other = (PLAIN.model_copy(update={"selection": Selection(tags=frozenset(t))}) for t in (tags, tags[::-1]))
    assert configuration_of(one) == configuration_of(other)

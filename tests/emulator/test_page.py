"""The page for a person."""

from __future__ import annotations

import re

from misp_modules_ext.emulator.page import page

from .world import World, entity, indicator, stix_id, ti

EVIL = "<script>alert(1)</script>\"'&{{7*7}}"


def _html(world: World) -> str:
    return page(world.core).body.decode()


def test_an_empty_emulator_says_so(world: World) -> None:
    """Nothing stored, nothing shown but the sentence."""
    assert "Nothing has arrived yet." in _html(world)


def test_it_shows_what_arrived(world: World) -> None:
    """Kind, value, title, end, source, TLP and state of each API's latest."""
    amber = ["marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"]
    world.upload(
        indicator(7, object_marking_refs=amber),
        indicator(8, pattern="[file:name = 'a' AND file:size = 1]"),
        indicator(9, revoked=True),
        indicator(10, valid_from="2026-01-01T00:00:00Z", valid_until="2026-02-01T00:00:00Z"),
    )
    world.bring(entity(title="Defender title"))
    world.graph("POST", "", ti(3))
    world.graph("POST", "", ti(4, isActive=False, expirationDateTime="2026-11-24T10:00:01Z"))
    world.core.advance(1)
    world.graph("POST", "", ti(5, isActive=False))
    html = _html(world)
    for text in ("203.0.113.7", "ipv4-addr:value", "Indicator 7", "2027-02-22", "MISP", "amber", "live"):
        assert text in html
    for text in ("not parsed", "revoked", "expired", "inactive", "Defender title", "Audit", "203.0.113.3", "tenant-1"):
        assert text in html
    assert "submit" not in html
    assert "POST /api/indicators/import" in html


def test_requests_are_listed_with_their_answer(world: World) -> None:
    """Refused and lost requests stand out, faults on order are counted."""
    world.core.fault({"api": "sentinel", "drop": True, "times": 1})
    world.core.fault({"api": "defender", "status": 500})
    world.reply("POST", "/workspaces/x")
    world.bring(entity())
    world.send("GET", "/elsewhere")
    html = _html(world)
    assert "no answer" in html
    assert "faults on order: 1" in html
    assert re.search(r'class="pill slow">404', html)
    assert re.search(r'class="pill wrong">500', html)


def test_values_are_escaped_and_nothing_is_linked(world: World) -> None:
    """What attackers choose stands there as text; no script, link, image or outside address is in the page."""
    world.upload(indicator(1, pattern="[url:value = 'https://a.example/']", name=EVIL), source=EVIL)
    world.upload(indicator(2, pattern=EVIL + "x" * 500))
    world.bring(entity(title=EVIL, application=EVIL))
    world.graph("POST", "", ti(1, description=EVIL, networkIPv4=None, url=EVIL))
    world.reply("GET", f"/workspaces/{EVIL}")
    html = _html(world)
    assert "&lt;script&gt;" in html
    assert not re.search(r"<(script|a|img|iframe|link|form)\b", html, re.IGNORECASE)
    assert not re.search(r"\b(src|href|onload|style)=", html)
    assert "x" * 400 not in html


def test_the_policy_lets_nothing_load(world: World) -> None:
    """The style of this answer is allowed by its nonce, everything else is not."""
    answer = page(world.core)
    policy = answer.headers["Content-Security-Policy"]
    nonce = re.search(r"style-src 'nonce-([^']+)'", policy)
    assert policy.startswith("default-src 'none'")
    assert nonce is not None
    assert f'<style nonce="{nonce[1]}">' in answer.body.decode()
    assert nonce[1] not in page(world.core).body.decode()


def test_odd_texts_do_not_break_it(world: World) -> None:
    """Lone surrogates, which JSON can carry, are replaced."""
    assert world.upload(indicator(1, name="\ud800")).status == 200
    assert stix_id(1) in world.stored()
    assert "?" in _html(world)

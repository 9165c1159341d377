"""Sessions, CSRF, throttling, tokens, headers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from yarl import URL

from tests.api.hub import PASSWORD, Bench, Caller
from web.address import remote_of
from web.app import create_app
from web.auth import PER_ACCOUNT, own_path
from web.passwords import verify_password
from web.services import SERVICES

ME = "/api/v1/users/me"


def form(name: str, password: str = PASSWORD) -> dict[str, str]:
    return {"email": f"{name}@firstline.example", "password": password}


async def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(bench: Bench) -> None:
    await bench.hire("anna")
    answer = await bench.stranger.post("/login", data=form("anna"))
    assert answer.status == 303
    cookie = SimpleCookie(answer.headers["Set-Cookie"])["firstline_session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["secure"]) == (True, "Lax", "/", "")
    stored = b"".join(path.read_bytes() for path in Path(bench.hub.store.blobs.folder).parent.glob("*.db*"))
    assert stored
    assert cookie.value.encode() not in stored


async def test_signing_in_is_coming_to_work_and_signing_out_is_leaving(bench: Bench) -> None:
    anna = await bench.hire("anna")
    admin = await bench.token("admin")
    browser = await bench.sign_in("anna")
    assert (await browser.get(ME)).json["presence"] == "online"
    await browser.post("/api/v1/users/me/presence", {"presence": "break"})
    second = await bench.sign_in("anna")
    assert (await second.get(ME)).json["presence"] == "break"
    left = await browser.post("/logout")
    assert left.status == 303
    assert (await admin.get(f"/api/v1/users/{anna.id}")).json["presence"] == "offline"
    assert (await browser.get(ME)).status == 401
    assert (await second.get(ME)).status == 200


async def test_a_stranger_gets_a_problem_from_the_api_and_the_login_from_pages(bench: Bench) -> None:
    refused = await bench.stranger.get("/api/v1/leads")
    assert (refused.status, refused.headers["Content-Type"]) == (401, "application/problem+json")
    assert refused.json["title"]
    page = await bench.stranger.get("/leads?stage=new")
    assert (page.status, URL(page.headers["Location"]).query["next"]) == (303, "/leads?stage=new")


async def test_a_change_by_cookie_needs_the_token_of_its_page(bench: Bench) -> None:
    await bench.hire("anna")
    anna = await bench.sign_in("anna")
    bare = Caller(anna.http, anna.url)
    body = {"presence": "break"}
    assert (await bare.post(f"{ME}/presence", body)).status == 403
    assert (await bare.post(f"{ME}/presence", body, headers={"X-CSRF-Token": "чужой".encode().hex()})).status == 403
    assert (await bare.get(ME)).json["presence"] == "online"
    assert (await anna.post(f"{ME}/presence", body)).status == 200
    assert (await bare.post("/logout")).status == 403
    as_field = await bare.post("/logout", data={"csrf": anna.headers["X-CSRF-Token"]})
    assert as_field.status == 303


async def test_a_sign_in_that_another_site_sends_is_refused(bench: Bench) -> None:
    await bench.hire("anna")
    answer = await bench.stranger.post("/login", data=form("anna"), headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers


async def test_guessing_a_password_is_stopped_per_account_and_forgiven_in_time(bench: Bench) -> None:
    await bench.hire("anna")
    for _ in range(PER_ACCOUNT):
        assert (await bench.stranger.post("/login", data=form("anna", "wrong"))).status in (401, 403)
    stopped = await bench.stranger.post("/login", data=form("anna"))
    assert stopped.status == 429
    assert "Set-Cookie" not in stopped.headers
    bench.clock.push(timedelta(minutes=6))
    assert (await bench.stranger.post("/login", data=form("anna"))).status == 303


async def test_guessing_many_accounts_from_one_address_is_stopped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def instant(hash: str | None, text: str) -> bool:
        return False

    monkeypatch.setattr("web.auth.verify_password", instant)
    statuses = [(await bench.stranger.post("/login", data=form(f"user{n}", "wrong"))).status for n in range(31)]
    assert statuses[-1] == 429
    assert 429 not in statuses[:30]


async def test_an_office_that_signs_in_at_nine_is_no_attack(bench: Bench) -> None:
    await bench.hire("anna")
    statuses = {(await bench.stranger.post("/login", data=form("anna"))).status for _ in range(35)}
    assert statuses == {303}


async def test_a_disabled_employee_is_out_at_once(bench: Bench) -> None:
    anna = await bench.hire("anna")
    browser, admin = await bench.sign_in("anna"), await bench.token("admin")
    assert (await admin("PATCH", f"/api/v1/users/{anna.id}", {"active": False})).status == 200
    assert (await browser.get(ME)).status == 401
    assert (await bench.stranger.post("/login", data=form("anna"))).status != 303


async def test_ones_own_password_needs_the_present_one_and_ends_all_sessions(bench: Bench) -> None:
    await bench.hire("anna")
    anna = await bench.sign_in("anna")
    wrong = await anna("PATCH", ME, {"password": "совсем другой"})
    assert "current_password" in wrong.fields
    right = await anna("PATCH", ME, {"password": "совсем другой", "current_password": PASSWORD})
    assert right.status == 200
    assert b"argon2" not in right.body
    assert (await anna.get(ME)).status == 401
    assert (await bench.stranger.post("/login", data=form("anna", "совсем другой"))).status == 303


async def test_an_unknown_token_is_refused_even_beside_a_good_cookie(bench: Bench) -> None:
    await bench.hire("anna")
    anna = await bench.sign_in("anna")
    assert (await anna.get(ME, headers={"Authorization": "Bearer nobody"})).status == 401


async def test_pages_and_api_carry_a_strict_policy(bench: Bench) -> None:
    for path in ("/login", "/api/docs", "/api/openapi.json", "/healthz"):
        headers = (await bench.stranger.get(path)).headers
        assert "script-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_way_back_never_leaves_the_site() -> None:
    assert own_path("/leads?stage=new") == "/leads?stage=new"
    for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example", "", "/a\r\nSet-Cookie: x=1"):
        assert own_path(elsewhere) == "/"


@pytest.mark.parametrize(
    ("peer", "remote"),
    [
        ("127.0.0.1", "203.0.113.9"),
        ("10.1.2.3", "203.0.113.9"),
        ("198.51.100.7", "198.51.100.7"),
    ],
)
async def test_a_forwarded_address_counts_only_from_this_machine_and_trusted_proxies(
    bench: Bench, peer: str, remote: str
) -> None:
    class Transport:
        def get_extra_info(self, name: str, default: object = None) -> object:
            return (peer, 1) if name == "peername" else default

    app = create_app(replace(bench.hub.app[SERVICES], proxies=("10.0.0.0/8",)))
    headers = {"X-Forwarded-For": "1.1.1.1, 203.0.113.9"}
    request = make_mocked_request("GET", "/", headers, transport=Transport(), app=app)  # type: ignore[arg-type]
    assert remote_of(request) == remote


async def test_somebody_without_a_password_cannot_sign_in() -> None:
    assert not await verify_password(None, "")


async def test_the_cookie_needs_https_when_the_site_has_it(bench: Bench) -> None:
    await bench.hire("anna")
    secure = create_app(replace(bench.hub.app[SERVICES], public_url="https://crm.example"))
    runner = web.AppRunner(secure)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession() as http:
        answer = await Caller(http, url).post("/login", data=form("anna"))
    await runner.cleanup()
    assert SimpleCookie(answer.headers["Set-Cookie"])["firstline_session"]["secure"] is True

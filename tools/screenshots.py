"""Takes the pictures of the documentation from a running hub, so that they show what the program looks like now.

A hub of its own is started through the public command line on an empty data folder, open round the clock, with a
mailbox (Dovecot), a mail server that takes letters, a telephone exchange and one seller. Customers fill in the site
form, write and call while the seller's page is open; the seller accepts and answers; Chromium photographs it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from tempfile import TemporaryDirectory

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from playwright.async_api import Browser, Page, async_playwright

from tests.connectors.asterisk.ami_server import AmiServer
from tests.connectors.email.dovecot import Dovecot

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
TRACES = ROOT / "tests" / "connectors" / "asterisk" / "traces"
COMMAND = (sys.executable, "-m", "firstline")
SELLER, DUTY, PASSWORD = "anna@firstline.example", "olga@firstline.example", "pictures-of-the-workplace"
DESKTOP, PHONE = (1440, 900), (390, 844)

CONFIG = """
[company]
preset = "equipment"

[workhours.office]
days = "mon-sun"
hours = "00:00-24:00"
holidays = "none"

[queues.first-line]
members = ["role:first_line"]
accept_within = "5m"

[connectors.site]
type = "form"
queue = "first-line"
title = "Форма на сайте"

[connectors.mail]
type = "email"
title = "Почта отдела продаж"
address = "sales@firstline.example"
imap = {{ host = "127.0.0.1", port = {imap}, tls = "none", username = "{user}", password = "{secret}" }}
smtp = {{ host = "127.0.0.1", port = {smtp}, tls = "none", username = "", password = "" }}

[connectors.phone]
type = "asterisk"
title = "Телефония"
host = "127.0.0.1"
port = {ami}
username = "firstline"
secret = "secret"
"""

KNOWN = {
    "name": "Сергей Воронин",
    "phone": "8 (912) 555-01-17",
    "email": "voronin@zavod.example",
    "equipment": "large",
    "comment": "Нужен токарный станок с ЧПУ, две штуки. Сориентируйте по срокам поставки и пусконаладке.",
    "page": "https://stanki.example/catalog/tokarnye",
    "utm_source": "yandex",
    "utm_medium": "cpc",
    "utm_campaign": "stanki-ural",
}
REPLY = (
    "Сергей, добрый день!\nДва станка есть на складе в Екатеринбурге, поставка 3–4 недели, пусконаладка входит в "
    "стоимость. Подскажите, пожалуйста, диаметр обработки и материал деталей?"
)
LETTER = (
    "Анна, спасибо за быстрый ответ.\n\nДиаметр до 400 мм, сталь 40Х, партии по 50–100 деталей. "
    "Техническое задание во вложении. Можно ли увидеть станок в работе?"
)
PRICES = "Добрый день! Просим выслать прайс на гидростанции НС-12 и сроки поставки в Пермь."
NOTE = "Просит показ: согласовать с Борисом демозал на четверг."
ACCEPTED = [
    {
        "name": "Ольга Петрова",
        "phone": "+7 916 555-02-03",
        "equipment": "small",
        "comment": "Сколько стоит обслуживание компрессора раз в квартал?",
        "utm_source": "vk",
        "utm_medium": "cpc",
    },
    {"name": "Наталья Белова", "phone": "8 923 555-31-42", "comment": "Нужен ремонт фрезерного станка."},
]
OFFERED = {
    "name": "Ирина Ким",
    "phone": "8 495 555-04-44",
    "email": "kim@sklad.example",
    "equipment": "large",
    "comment": "Запрос коммерческого предложения: линия розлива, 3000 бутылок в час.",
    "page": "https://shop.example/liniya-rozliva",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_ready(hub: subprocess.Popen[bytes], url: str) -> None:
    """Until the hub can accept; raises RuntimeError when it ends or takes more than half a minute."""
    deadline = time.monotonic() + 30
    while hub.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{url}/readyz", timeout=2).close()  # noqa: S310 - our own address
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the hub did not get ready")


@asynccontextmanager
async def company() -> AsyncIterator[tuple[str, Dovecot, AmiServer]]:
    """Address of a fresh hub, with the mailbox and the exchange that it is connected to."""
    mail = Controller(Sink(), hostname="127.0.0.1", port=free_port())
    with TemporaryDirectory() as folder, Dovecot() as box:
        mail.start()
        async with AmiServer() as exchange:
            servers = {"imap": box.port, "user": box.user, "secret": box.password, "smtp": mail.port}
            place = prepare(Path(folder), CONFIG.format(ami=exchange.port, **servers))
            port = free_port()
            hub = subprocess.Popen([*COMMAND, "serve", *place, "--port", str(port)])  # noqa: S603, ASYNC220
            try:
                await asyncio.to_thread(wait_ready, hub, f"http://127.0.0.1:{port}")
                yield f"http://127.0.0.1:{port}", box, exchange
            finally:
                hub.terminate()
                await asyncio.to_thread(hub.wait, 30)
        mail.stop()


def prepare(folder: Path, config: str) -> list[str]:
    """Configuration and employees of the company; the options that lead every command to them."""
    file = folder / "firstline.toml"
    file.write_text(config, "utf-8")
    place = ["--config", str(file), "--data", str(folder / "data")]
    add_user(SELLER, "Анна Соколова", "first_line", place)
    add_user(DUTY, "Ольга Дежурная", "ops", place)
    return place


def add_user(email: str, name: str, role: str, place: list[str]) -> None:
    add = [*COMMAND, "user", "add", email, "--name", name, "--role", role, "--password-stdin", *place]
    subprocess.run(add, input=PASSWORD.encode(), check=True)  # noqa: S603


async def fill_form(url: str, customer: dict[str, str]) -> None:
    """What the company's site does when a visitor presses «Отправить»."""

    def post() -> None:
        body = json.dumps({**customer, "consent": True}).encode()
        request = urllib.request.Request(  # noqa: S310 - our own address
            f"{url}/in/forms/site", data=body, headers={"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310

    await asyncio.to_thread(post)


def letter(subject: str, name: str, address: str, text: str, file: str | None = None) -> bytes:
    message = EmailMessage()
    message["Subject"], message["To"] = subject, "sales@firstline.example"
    message["From"] = f"{name} <{address}>"
    message["Message-ID"] = f"<{abs(hash(text))}@customer.example>"
    message.set_content(text)
    if file:
        message.add_attachment(b"%PDF-1.4" + b" " * 240_000, maintype="application", subtype="pdf", filename=file)
    return bytes(message)


def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise SystemExit("Chromium is not installed: run tools/install_test_servers.sh")


async def sign_in(browser: Browser, url: str, email: str) -> Page:
    """An employee's page with the live stream running."""
    page = await browser.new_page(locale="ru-RU", timezone_id="Europe/Moscow")
    await page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    await page.goto(f"{url}/login")
    await page.fill("input[type=email]", email)
    await page.fill("input[type=password]", PASSWORD)
    await page.press("input[type=password]", "Enter")
    await page.wait_for_selector("body[data-live=on]")
    return page


async def accept(page: Page, who: str) -> None:
    await page.locator(".offer", has_text=who).locator("[data-take]").click()
    await page.locator(".talk-head", has_text=who).wait_for()


async def play_a_day(page: Page, url: str, box: Dovecot, exchange: AmiServer) -> None:
    """Customers come, the seller works: what the pictures show."""
    await exchange.play(TRACES / "b_abandoned.ami", speed=50)
    await page.locator(".offer").first.wait_for()
    for customer in ACCEPTED:
        await fill_form(url, customer)
        await accept(page, customer["name"])
    box.deliver(letter("Запрос цен на гидростанции", "Гидромаш", "zakupki@gidromash.example", PRICES))
    await accept(page, "Гидромаш")
    await fill_form(url, KNOWN)
    await accept(page, KNOWN["name"])
    await page.fill("[data-form=reply] textarea", REPLY)
    await page.press("[data-form=reply] textarea", "Control+Enter")
    await page.locator(".bubble.out .state.good").wait_for()
    box.deliver(letter("Re: Токарный станок с ЧПУ", KNOWN["name"], KNOWN["email"], LETTER, "ТЗ на станок.pdf"))
    await page.locator(".bubble.in.kind-mail").wait_for()
    await page.keyboard.press("Escape")
    await page.keyboard.press("n")
    await page.keyboard.type(NOTE)
    await page.keyboard.press("Control+Enter")
    await page.locator(".bubble.note").wait_for()
    await page.locator("[data-composer=reply]").click()
    await fill_form(url, OFFERED)
    await page.locator(".offer", has_text=OFFERED["name"]).wait_for()


async def photograph(page: Page, name: str, size: tuple[int, int]) -> None:
    await page.set_viewport_size({"width": size[0], "height": size[1]})
    await page.evaluate("document.activeElement.blur()")
    await page.locator(".toast").last.wait_for(state="detached", timeout=15_000)
    await page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")


async def take_pictures(browser: Browser) -> None:
    async with company() as (url, box, exchange):
        seller = await sign_in(browser, url, SELLER)
        await play_a_day(seller, url, box, exchange)
        await photograph(seller, "workplace-1440", DESKTOP)
        await photograph(seller, "workplace-390", PHONE)
        duty = await sign_in(browser, url, DUTY)
        await duty.locator("[data-connector=mail] .tone-green").wait_for()
        await photograph(duty, "ops-1440", DESKTOP)


async def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    flags = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=flags)
        await take_pictures(browser)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())

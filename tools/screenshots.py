"""Takes the pictures of the documentation from a running hub, so that they show what the program looks like now.

A hub of its own is started through the public command line on an empty data folder, open round the clock, with one
seller; customers then fill in the site form while the seller's page is open, and Chromium (from the system) photographs
it. Nothing here knows the inside of the pages: it signs in, waits for a customer's name, and opens that customer.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
COMMAND = ROOT / ".venv" / "bin" / "firstline"
SELLER, PASSWORD = "anna@firstline.example", "pictures-of-the-workplace"
SIZES = {"workplace-1440": (1440, 900), "workplace-360": (360, 780)}

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
"""

CUSTOMERS = [
    {
        "name": "Сергей Воронин",
        "phone": "8 (912) 555-01-17",
        "email": "voronin@zavod.example",
        "equipment": "large",
        "comment": "Нужен токарный станок с ЧПУ, две штуки. Сориентируйте по срокам поставки и пусконаладке.",
        "utm_source": "yandex",
        "utm_campaign": "stanki-ural",
    },
    {
        "name": "Ольга Петрова",
        "phone": "+7 916 555-02-03",
        "equipment": "small",
        "comment": "Сколько стоит обслуживание компрессора раз в квартал?",
        "utm_source": "vk",
    },
    {
        "name": "Ирина Ким",
        "phone": "8 495 555-04-44",
        "email": "kim@sklad.example",
        "equipment": "large",
        "comment": "Запрос коммерческого предложения: линия розлива, 3000 бутылок в час.",
        "page": "https://shop.example/liniya-rozliva",
    },
]


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


@contextmanager
def hub_with_a_seller() -> Iterator[str]:
    """Address of a fresh hub."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "firstline.toml")
        config.write_text(CONFIG, "utf-8")
        place = ["--config", str(config), "--data", str(Path(folder, "data"))]
        add = [str(COMMAND), "user", "add", SELLER, "--name", "Анна Соколова", "--role", "first_line"]
        subprocess.run([*add, "--password-stdin", *place], input=PASSWORD.encode(), check=True)  # noqa: S603
        port = free_port()
        hub = subprocess.Popen([str(COMMAND), "serve", *place, "--port", str(port)])  # noqa: S603
        try:
            wait_ready(hub, f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            hub.terminate()
            hub.wait(30)


def fill_form(url: str, customer: dict[str, str]) -> None:
    """What the company's site does when a visitor presses «Отправить»."""
    body = json.dumps({**customer, "consent": True}).encode()
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{url}/in/forms/site", data=body, headers={"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310


def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise SystemExit("Chromium is not installed: run tools/install_test_servers.sh")


def open_workplace(browser: Browser, url: str) -> Page:
    """The seller's page after signing in, with the live stream running."""
    page = browser.new_page(locale="ru-RU", timezone_id="Europe/Moscow")
    page.goto(f"{url}/login")
    page.fill("input[type=email]", SELLER)
    page.fill("input[type=password]", PASSWORD)
    page.press("input[type=password]", "Enter")
    page.wait_for_url(lambda address: "/login" not in address)
    return page


def take_pictures(browser: Browser, url: str) -> None:
    page = open_workplace(browser, url)
    for customer in CUSTOMERS:
        fill_form(url, customer)
        page.get_by_text(customer["name"]).first.wait_for()
    page.get_by_text(CUSTOMERS[0]["name"]).first.click()
    page.get_by_text(CUSTOMERS[0]["comment"]).first.wait_for()
    for name, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    flags = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")
    with hub_with_a_seller() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=flags)
        take_pictures(browser, url)
        browser.close()


if __name__ == "__main__":
    main()

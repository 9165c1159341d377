"""A private Dovecot for tests and measurements: own configuration, own folder, free ports, started as whoever runs us.

Letters are delivered by writing into `Maildir/new`, which is how a delivery agent does it and takes 0.1 ms. Needs the
Debian packages `dovecot-imapd` (2.3) and `openssl`; `find_dovecot` says whether they are there.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

MAIL_USER = "nobody"
"""Dovecot refuses to read mail as root, so when root runs the tests, the mail belongs to this user."""


def find_dovecot() -> str | None:
    return shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Dovecot:
    """`port` speaks IMAP in clear and STARTTLS, `tls_port` speaks TLS at once (self-signed: `certificate`)."""

    def __init__(
        self, users: Sequence[str] = ("sales",), *, password: str = "secret", capability: str | None = None
    ) -> None:
        self.users = list(users)
        self.user = self.users[0]
        """Whose mailbox the methods mean unless told otherwise."""
        self.password = password
        """The same for every user."""
        self.capability = capability
        """Pretend to be a server of fewer abilities, for example one without IDLE."""
        self.port = free_port()
        self.tls_port = free_port()
        self.root = Path(tempfile.mkdtemp(prefix="firstline-dovecot-"))
        self.root.chmod(0o755)
        self.certificate = self.root / "cert.pem"
        self._process: subprocess.Popen[bytes] | None = None
        self._delivered = 0
        is_root = os.getuid() == 0
        self._owner = pwd.getpwnam(MAIL_USER) if is_root else pwd.getpwuid(os.getuid())
        self._is_root = is_root
        self._prepare()

    def _prepare(self) -> None:
        _certificate(self.certificate, self.root / "key.pem")
        (self.root / "dovecot.conf").write_text(self._config())
        for user in self.users:
            self._folder(user, "INBOX")

    def new_user(self) -> str:
        """A fresh, empty mailbox that the methods mean from now on."""
        self.user = f"user{len(self.users)}"
        self.users.append(self.user)
        self._folder(self.user, "INBOX")
        return self.user

    def _config(self) -> str:
        me, group = self._owner.pw_name, grp.getgrgid(self._owner.pw_gid).gr_name
        unprivileged = f"default_internal_user = {me}\ndefault_login_user = {me}\ndefault_internal_group = {group}\n"
        return CONFIG.format(
            root=self.root,
            port=self.port,
            tls_port=self.tls_port,
            password=self.password,
            uid=self._owner.pw_uid,
            gid=self._owner.pw_gid,
            extra=("" if self._is_root else unprivileged)
            + (f"imap_capability = {self.capability}\n" if self.capability else ""),
        )

    def __enter__(self) -> Dovecot:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.remove()

    def start(self) -> None:
        program = find_dovecot()
        assert program is not None, "install the Debian package dovecot-imapd"
        with (self.root / "start.log").open("ab") as log:
            command = [program, "-F", "-c", str(self.root / "dovecot.conf")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as link:
                if link.recv(4) == b"* OK":
                    return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"Dovecot did not start: {self.log()}")

    def stop(self) -> None:
        if self._process is None:
            return
        # Sessions live in processes of their own and outlive their master; all are of its process group.
        os.killpg(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.3)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        for leftover in (self.root / "run").glob("master.pid"):
            leftover.unlink()

    def restart(self) -> None:
        """Stop and start on the same ports; sessions are cut."""
        self.stop()
        self.start()

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    def log(self) -> str:
        texts = (
            path.read_text(errors="replace") for path in (self.root / "start.log", self.root / "log") if path.exists()
        )
        return "".join(texts)

    def maildir(self, user: str | None = None) -> Path:
        return self.root / "mail" / (user or self.user) / "Maildir"

    def deliver(self, raw: bytes, folder: str = "INBOX", user: str | None = None) -> None:
        """Put a letter into a folder as unread."""
        place = self._folder(user, folder)
        self._delivered += 1
        name = f"{time.time_ns() // 1000}.{self._delivered}.firstline"
        temporary = place / "tmp" / name
        temporary.write_bytes(raw)
        self._give(temporary)
        temporary.rename(place / "new" / name)

    def letters(self, folder: str = "INBOX", user: str | None = None) -> list[bytes]:
        """What lies in a folder, oldest first."""
        place = self._folder(user, folder)
        files = sorted([*(place / "new").iterdir(), *(place / "cur").iterdir()], key=lambda path: path.name)
        return [path.read_bytes() for path in files]

    def flags(self, folder: str = "INBOX", user: str | None = None) -> list[str]:
        """Maildir flags of each letter: `S` is seen."""
        place = self._folder(user, folder)
        paths = sorted([*(place / "new").iterdir(), *(place / "cur").iterdir()], key=lambda path: path.name)
        return [path.name.partition(":2,")[2] for path in paths]

    def forget_uids(self, user: str | None = None) -> None:
        """What a rebuild of the box does: the same letters, new UIDs, new UIDVALIDITY."""
        running = self._process is not None
        self.stop()
        for path in self.maildir(user).glob("dovecot*"):
            path.unlink()
        time.sleep(1.01)  # Dovecot makes UIDVALIDITY of the second
        if running:
            self.start()

    def _folder(self, user: str | None, folder: str) -> Path:
        place = self.maildir(user) if folder == "INBOX" else self.maildir(user) / f".{folder}"
        for name in ("tmp", "new", "cur"):
            (place / name).mkdir(parents=True, exist_ok=True)
        for path in (self.maildir(user).parent, self.maildir(user), place, *place.iterdir()):
            self._give(path)
        return place

    def _give(self, path: Path) -> None:
        if self._is_root and path.stat().st_uid != self._owner.pw_uid:
            os.chown(path, self._owner.pw_uid, self._owner.pw_gid)


def _certificate(certificate: Path, key: Path) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=localhost"
    command += " -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout"
    subprocess.run([*command.split(), str(key), "-out", str(certificate)], check=True, capture_output=True)


CONFIG = """
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{root}/cert.pem
ssl_key = <{root}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
mail_location = maildir:{root}/mail/%u/Maildir
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
first_valid_gid = 1
mailbox_idle_check_interval = 1 s
mail_max_userip_connections = 100
{extra}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={root}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = .
  mailbox Sent {{
    special_use = \\Sent
    auto = create
  }}
  mailbox Trash {{
    special_use = \\Trash
    auto = create
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""

"""Passwords: argon2id, hashed off the event loop and never more than two at a time.

One hash costs 19 MiB and tens of milliseconds on purpose (OWASP Password Storage: m=19456, t=2, p=1). The two worker
threads are the limit: a flood of sign-ins waits in line instead of taking the memory and the processor of the hub.
"""

from __future__ import annotations

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_WORKERS = ThreadPoolExecutor(2, thread_name_prefix="firstline-password")
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$MljEye1DtinCkxNF3fsSnQ$HskLAaQVh9bBfUkoobuRZ5PabjR1ro1Nfd0RKV4KKB4"
"""The hash of random bytes that nobody kept, so that an unknown name costs as much time as a wrong password."""


async def hash_password(text: str) -> str:
    """What is stored instead of the password; a fresh salt each time."""
    return await asyncio.get_running_loop().run_in_executor(_WORKERS, _HASHER.hash, _bytes(text))


async def verify_password(hash: str | None, text: str) -> bool:
    """Whether this is the password behind the hash. None (an unknown or password-less user) is never right and takes
    just as long."""
    right = await asyncio.get_running_loop().run_in_executor(_WORKERS, _verify, hash or _NOBODY, _bytes(text))
    return right and hash is not None


def _verify(hash: str, password: bytes) -> bool:
    try:
        return _HASHER.verify(hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _bytes(text: str) -> bytes:
    """One form for letters that keyboards compose differently («й» typed as one sign or as two)."""
    return unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")

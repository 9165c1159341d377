#!/usr/bin/env bash
# Installs what the tests start beside the hub: Dovecot (a real IMAP server) and Chromium (a real browser).
#
# They come from Debian or Ubuntu, so apt is used where it may be: as root, or with sudo that asks no password. Elsewhere
# this only says what is missing and succeeds: the tests that need it are then skipped visibly, and fail under CI=true.
set -euo pipefail

missing=()
command -v dovecot >/dev/null || [ -x /usr/sbin/dovecot ] || missing+=(dovecot-imapd)
command -v openssl >/dev/null || missing+=(openssl)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
    missing+=(chromium)
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo -n)
fi
if ! command -v apt-get >/dev/null || { [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; }; then
    echo "Not installed: ${missing[*]}. The tests that need them will be skipped." >&2
    exit 0
fi

# A policy script keeps apt from starting a system-wide Dovecot: the tests start private ones on free ports.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
fi

echo "Installing ${missing[*]} …" >&2
log=$(mktemp)
install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" \
        </dev/null >"$log" 2>&1
}
if ! { "${as_root[@]}" apt-get update -qq </dev/null >"$log" 2>&1 && install; }; then
    cat "$log" >&2
    echo "Could not install: ${missing[*]}. The tests that need them will be skipped." >&2
fi
rm -f "$log"

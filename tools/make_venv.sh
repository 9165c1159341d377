#!/usr/bin/env bash
# Creates .venv with the given Python. Debian and Ubuntu ship `python3` without what `venv` needs (package python3-venv):
# that package is installed where it may be, and named where it may not.
set -euo pipefail

python=$1
create() { "$python" -m venv --clear .venv; }

if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    create
    exit
fi

package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
if command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
    echo "Installing $package …" >&2
    "${as_root[@]}" apt-get update -qq </dev/null
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$package" </dev/null >&2
    create
else
    echo "This Python cannot create virtual environments. Install $package and try again." >&2
    exit 1
fi

#!/bin/sh
# Runs the command line of the hub inside its container. `serve` gets what only the container knows: the data folder, an
# address that is reachable from outside it, and the company's configuration when the volume holds one (without it the
# reference company is used). Every other command is passed on as it is: `docker compose run --rm hub user list --data /data`.
set -eu

if [ "${1:-serve}" = serve ]; then
    [ $# -eq 0 ] || shift
    if [ -f /data/firstline.toml ]; then
        set -- --config /data/firstline.toml "$@"
    fi
    set -- serve --data /data --host 0.0.0.0 --port 8080 "$@"
fi
exec firstline "$@"

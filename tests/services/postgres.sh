#!/bin/sh
# A PostgreSQL of one's own, for as long as a test takes: Debian's, on a private port and folder.
#
#   sh tests/services/postgres.sh install       install Debian's package if it is missing
#   sh tests/services/postgres.sh start PORT    start a server; prints its folder on the last line
#   sh tests/services/postgres.sh stop FOLDER   stop it and remove the folder
#
# PostgreSQL refuses to run as root, so root runs it as the user postgres. Where it cannot be had
# (no apt-get, or not root) the script says why and exits 3: the test then skips with that reason.
set -eu

programs() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1; }

cannot() { echo "postgres: $1"; exit 3; }

as_postgres() {
    if [ "$(id -u)" -eq 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

install() {
    [ -z "$(programs)" ] || return 0
    command -v apt-get >/dev/null 2>&1 || cannot "not installed, and there is no apt-get"
    [ "$(id -u)" -eq 0 ] || cannot "not installed; sudo apt-get install postgresql"
    # The package would start a server on the usual port at once; one of our own is enough.
    mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] ||
        echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2 || true
    apt-get install -qq -y --no-install-recommends postgresql >/dev/null ||
        cannot "apt-get could not install the package postgresql"
    [ -n "$(programs)" ] || cannot "installed, but not in /usr/lib/postgresql"
}

case "${1:-}" in
install)
    install
    ;;
start)
    install
    bin=$(programs)
    folder=$(mktemp -d /tmp/tidetrack-postgres.XXXXXX)
    [ "$(id -u)" -ne 0 ] || chown postgres "$folder"
    as_postgres "$bin/initdb" -D "$folder/data" -U tidetrack -A trust --no-sync >/dev/null
    as_postgres "$bin/pg_ctl" -D "$folder/data" -l "$folder/log" -s -w \
        -o "-p $2 -c listen_addresses=127.0.0.1 -c unix_socket_directories=$folder -c fsync=off" \
        start || { cat "$folder/log" >&2; exit 1; }
    as_postgres "$bin/createdb" -h 127.0.0.1 -p "$2" -U tidetrack studies
    echo "$folder"
    ;;
stop)
    as_postgres "$(programs)/pg_ctl" -D "$2/data" -s -m immediate stop || true
    rm -rf "$2"
    ;;
*)
    echo "usage: $0 install | start PORT | stop FOLDER" >&2
    exit 2
    ;;
esac

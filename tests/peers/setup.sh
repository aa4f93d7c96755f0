#!/bin/sh
# Install the Debian packages the peer tests run against; quick when they are already there.
#
#   sh tests/peers/setup.sh          install what is missing
#   sh tests/peers/setup.sh --list   print the package names
#
# Without apt-get or without root it says so and exits 0: the tests whose peer is missing then
# skip and name it. The peers are test programs only; nothing here is needed to run tidetrack.
set -eu

# Polaris client pings its TCP tracker; BITalino client builds PyBluez; gate: libmodbus, mbpoll;
# OpenIGTLink C++ examples; GigE Vision: Aravis; X-ray over DICOM: DCMTK; console: Chromium;
# service unit: systemd-analyze; exported DICOM objects: dciodvfy, Orthanc.
packages="iputils-ping
libbluetooth-dev
gcc g++ make cmake pkg-config
libmodbus-dev mbpoll
libopenigtlink-dev openigtlink-examples
aravis-tools gir1.2-aravis-0.8 python3-gi
dcmtk
dicom3tools orthanc orthanc-dicomweb
chromium
systemd"

if [ "${1:-}" = "--list" ]; then
    for package in $packages; do echo "$package"; done
    exit 0
fi

missing=""
for package in $packages; do
    state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$state" = "install ok installed" ] || missing="$missing $package"
done
if [ -z "$missing" ]; then
    echo "peers: every Debian package is installed"
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "peers: no apt-get here; the peer tests that need$missing will skip"
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "peers: not root; to run every peer test: sudo apt-get install$missing"
    exit 0
fi

echo "peers: installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq || echo "peers: package lists not refreshed, trying with the old ones"
# shellcheck disable=SC2086
if ! apt-get install -qq -y --no-install-recommends $missing >/dev/null; then
    # One package that cannot be had must not cost the others.
    for package in $missing; do
        apt-get install -qq -y --no-install-recommends "$package" >/dev/null ||
            echo "peers: $package could not be installed; its tests will skip"
    done
fi

# Debian starts Orthanc as a service when it is installed. The tests run one of their own.
case "$missing" in
*orthanc*) systemctl disable --now --quiet orthanc 2>/dev/null || true ;;
esac

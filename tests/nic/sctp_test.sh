#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The kernel's SCTP, in a QEMU guest since few hosts have it: every message must be strictly right, the association must end by
# SHUTDOWN, tshark must have nothing to complain of, and source address, DSCP and hop limit must be those asked for.
#     sctp_test.sh [PARSHALL]
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
parshall=$(realpath "${1:-$root/build/probe/parshall}")
[ "$(id -u)" = 0 ] || { echo "the guest's tap needs root"; exit 77; }
[ -c /dev/net/tun ] || { echo "no /dev/net/tun here"; exit 77; }
share=$(mktemp -d)
trap 'rm -rf "$share"' EXIT
mkdir "$share/bin"
cp "$parshall" "$root/tests/nic/sctp_guest.sh" "$root/tests/nic/sctp_collector.py" "$root/tests/captures/office.pcap" "$share/bin"
cp -r "$root/templates" "$share/bin"
status=0
"$root/scripts/nic_guest" --tap "parshall-s$((RANDOM % 10000))" --share "$share" --limit 600 \
    "/tmp/share/bin/sctp_guest.sh /tmp/share/bin/parshall /tmp/share/bin/office.pcap" || status=$?
[ $status = 0 ] || { echo "the guest ended with $status"; tail -n 20 "$share"/*.stats "$share"/*.out "$share"/*.log | cut -c1-300; exit 1; }
python3 -B "$root/tests/nic/check_sctp.py" "$share"

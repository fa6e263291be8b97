#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Runs a live test with three network namespaces: wire --(w0, p0)-- probe --(c0, k0)-- collector.
#   in_namespaces.sh live_test.py PARSHALL [WORD ...]
# The test finds their names in NETNS_WIRE, NETNS_PROBE and NETNS_COLLECTOR. Addresses: the probe's 198.18.0.1 and
# 2001:db8::1, the collector's 198.18.0.2 and 2001:db8::2. Nothing but the test sends on w0 and p0.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/../support/netns.sh"
for tool in ip ethtool tcpreplay; do
    command -v $tool >/dev/null || { echo "$tool is not installed: scripts/install_dependencies --test"; exit 77; }
done
netns_begin live || exit $?
# A collector must not lose what it got while others used the CPU; nfcapd asks for the buffer, the kernel has to allow it.
rmem_max=/proc/sys/net/core/rmem_max
if [ -w $rmem_max ] && [ "$(cat $rmem_max)" -lt 67108864 ]; then
    netns_at_exit "echo $(cat $rmem_max) >$rmem_max"
    echo 67108864 >$rmem_max || true
fi
for name in wire probe collector; do netns_add $name; done
netns_link wire w0 probe p0
netns_link probe c0 collector k0
netns_addresses probe c0 198.18.0.1/24 2001:db8::1/64
netns_addresses collector k0 198.18.0.2/24 2001:db8::2/64
NETNS_WIRE=$(netns_name wire) NETNS_PROBE=$(netns_name probe) NETNS_COLLECTOR=$(netns_name collector)
export NETNS_WIRE NETNS_PROBE NETNS_COLLECTOR
status=0
python3 -B "$@" || status=$?
exit $status

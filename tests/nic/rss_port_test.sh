#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A PCI port: parshall drives a virtio NIC with two RSS queues in a QEMU guest, two workers poll one queue each, and
# 1,000 biflows come from outside. Every flow must be one record with exactly the packets and octets of both directions
# (so none is split over the queues), both queues must have had their part, the ledger must close, and a collector in
# the guest (nfcapd over UDP) must have the same sums.    rss_port_test.sh [PARSHALL]
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
parshall=$(realpath "${1:-$root/build/probe/parshall}")
[ "$(id -u)" = 0 ] || { echo "the guest's tap needs root"; exit 77; }
[ -c /dev/net/tun ] || { echo "no /dev/net/tun here"; exit 77; }
tap=parshall-nic$((RANDOM % 1000))
share=$(mktemp -d)
guest=
clean_up() {
    [ -z "$guest" ] || { kill "$guest" 2>/dev/null && wait "$guest"; } || true
    rm -rf "$share"
}
trap clean_up EXIT

# The guest sees this machine's files, but its /tmp and /run are its own: what it runs goes through the shared folder.
mkdir "$share/bin"
cp "$parshall" "$root/tests/nic/rss_port_guest.sh" "$root/tests/nic/queue_counts.py" "$share/bin"
cp -r "$root/templates" "$share/bin"

"$root/tests/support/traffic.py" --flows 1000 --seed 7 --reply-share 1 \
    --pcap "$share/traffic.pcap" --truth "$share/truth.csv"
"$root/scripts/nic_guest" --tap "$tap" --share "$share" --cpus 3 --limit 240 \
    "/tmp/share/bin/rss_port_guest.sh /tmp/share/bin/parshall" &
guest=$!

show() {
    echo "$1"
    tail -n 20 "$share/parshall.log" "$share/ended" "$share/nfcapd.log" 2>/dev/null || true
    exit 1
}

tries=1200
until [ -e "$share/ready" ]; do
    tries=$((tries - 1))
    kill -0 "$guest" 2>/dev/null || { guest=''; show "the guest ended before its port was ready"; }
    [ $tries -gt 0 ] || show "the port was not ready in time"
    sleep 0.1
done
# Slow enough for an emulated machine: what is lost before the port is not what this test is about.
tcpreplay --quiet --intf1="$tap" --pps=1500 "$share/traffic.pcap" >"$share/tcpreplay.log" 2>&1 ||
    show "tcpreplay failed"
touch "$share/sent"
status=0
wait "$guest" || status=$?
guest=''
[ $status = 0 ] || show "parshall ended with $status"

"$root/tests/support/compare_flows.py" "$share/truth.csv" "$share/flows.json" --one-record || show "the flows differ"
python3 -B "$root/tests/nic/check_results.py" "$share" || show "the results do not agree"

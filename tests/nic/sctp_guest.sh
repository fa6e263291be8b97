#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The part of sctp_test.sh that runs in the guest:    sctp_guest.sh PARSHALL CAPTURE
# IPv4 with everything a packet can be given, then IPv6, each to a collector on the kernel's SCTP; the wire in $SHARE/wire.pcap.
set -uo pipefail
parshall=$1 capture=$2 here=$(dirname "$0")
tcpdump -q -i lo -U -s 0 -w /tmp/share/wire.pcap ip proto 132 or ip6 proto 132 >/tmp/share/tcpdump.log 2>&1 &
wire=$!
status=0
for address in 127.0.0.1 ::1; do
    python3 -B "$here/sctp_collector.py" $address 4739 >/tmp/share/$address.hex 2>&1 &
    collector=$!
    for _ in $(seq 200); do grep -q listening /tmp/share/$address.hex && break; sleep 0.1; done
    url="sctp://$address" more='source: 127.0.0.7, dscp: 8, hop_limit: 3'
    [ $address = 127.0.0.1 ] || { url='sctp://[::1]' more='dscp: 46, hop_limit: 5'; }
    cat >/tmp/probe.yaml <<END
exporting:
  options_records: true
  shutdown: 30s
  collectors: [{url: "$url", $more}]
END
    "$parshall" read "$capture" --config /tmp/probe.yaml --stats json >/dev/null 2>/tmp/share/$address.stats || status=$?
    for _ in $(seq 100); do grep -q end /tmp/share/$address.hex && break; sleep 0.1; done
    kill $collector
done
sleep 1
kill -INT $wire
wait $wire
exit $status

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The part of sctp_test.sh that runs in the guest:    sctp_guest.sh PARSHALL CAPTURE
# IPv4 with everything a packet can be given, then IPv6, each to two collectors on the kernel's SCTP, a few lines of Python
# and parshall collect; the wire in $SHARE/wire.pcap.
set -uo pipefail
parshall=$1 capture=$2 here=$(dirname "$0")
tcpdump -q -i lo -U -s 0 -w /tmp/share/wire.pcap ip proto 132 or ip6 proto 132 >/tmp/share/tcpdump.log 2>&1 &
wire=$!
status=0

# export_to NAME URL MORE COMMAND ... : exports to a collector whose output is $SHARE/NAME.out, which says when it listens
# and when the association has ended.
export_to() {
    local name=$1 url=$2 more=$3 collector
    shift 3
    "$@" >/tmp/share/$name.out 2>/tmp/share/$name.log &
    collector=$!
    for _ in $(seq 200); do grep -q listening /tmp/share/$name.out /tmp/share/$name.log && break; sleep 0.1; done
    cat >/tmp/probe.yaml <<END
exporting:
  options_records: true
  shutdown: 30s
  collectors: [{url: "$url", $more}]
END
    "$parshall" read "$capture" --config /tmp/probe.yaml --stats json >/dev/null 2>/tmp/share/$name.stats || status=$?
    for _ in $(seq 100); do
        grep -q -e '^end' -e 'closed by the exporter' /tmp/share/$name.out /tmp/share/$name.log && break
        sleep 0.1
    done
    kill $collector
    wait $collector
}

for address in 127.0.0.1 ::1; do
    url="sctp://$address" more='source: 127.0.0.7, dscp: 8, hop_limit: 3'
    [ $address = 127.0.0.1 ] || { url='sctp://[::1]' more='dscp: 46, hop_limit: 5'; }
    export_to $address "$url" "$more" python3 -B "$here/sctp_collector.py" $address 4739
    export_to $address-collect "$url" "$more" "$parshall" collect "$url:4739" --check --json
done
sleep 1
kill -INT $wire
wait $wire
exit $status

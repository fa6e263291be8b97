#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The part of sctp_test.sh that runs in the guest:    sctp_guest.sh PARSHALL CAPTURE
# IPv4 with everything a packet can be given, then IPv6, each to two collectors on the kernel's SCTP, a few lines of Python
# and parshall collect; a stream for each template; every third packet lost, with a lifetime; a collector
# that goes and comes back. The wire in $SHARE/wire.pcap.
set -uo pipefail
parshall=$1 capture=$2 here=$(dirname "$0")
tcpdump -q -i lo -U -s 0 -w /tmp/share/wire.pcap ip proto 132 or ip6 proto 132 >/tmp/share/tcpdump.log 2>&1 &
wire=$!
status=0 shutdown_s=60

# export_to NAME URL MORE COMMAND ... : exports to a collector whose output is $SHARE/NAME.out, which says when it listens
# and when the association has ended.
export_to() {
    local name=$1 url=$2 more=$3 collector begin
    shift 3
    "$@" >/tmp/share/$name.out 2>/tmp/share/$name.log &
    collector=$!
    for _ in $(seq 200); do grep -q listening /tmp/share/$name.out /tmp/share/$name.log && break; sleep 0.1; done
    cat >/tmp/probe.yaml <<END
exporting:
  options_records: true
  shutdown: ${shutdown_s}s
  ${more_exporting:-message_delay: 20ms}
  collectors: [{url: "$url", $more}]
END
    begin=$SECONDS
    "$parshall" read "$capture" --config /tmp/probe.yaml --stats json >/dev/null 2>/tmp/share/$name.stats || status=$?
    if [ $((SECONDS - begin)) -ge $shutdown_s ]; then
        echo "$name: the end of the association was not noticed"
        status=1
    fi
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
export_to streams sctp://127.0.0.1 'source: 127.0.0.8, sctp: {streams: per_template}' "$parshall" collect sctp://127.0.0.1:4739 \
    --check --json

# Records that leave one by one, so that many messages are under way for a while.
slowly='records_per_second: 10'

# Every third packet is lost; what is not acknowledged in 100 ms would be given up before it is sent again (the timer begins at 500).
nft -f - <<END || status=$?
table ip lossy {
    chain out {
        type filter hook output priority 0
        ip saddr 127.0.0.9 sctp dport 4739 meta length > 100 numgen inc mod 3 == 1 counter drop
    }
}
END
export_to lossy sctp://127.0.0.1 "source: 127.0.0.9, $slowly, sctp: {lifetime: 100ms}" \
    "$parshall" collect sctp://127.0.0.1:4739 --check --json
nft list table ip lossy | grep -o 'counter packets [0-9]*' | cut -d' ' -f3 >/tmp/share/dropped.txt

# A collector is killed, and another takes its place.
killed() {
    "$parshall" collect sctp://127.0.0.1:4739 --check --json --messages 8 &
    wait $!
    echo "the first is gone" >&2
    exec "$parshall" collect sctp://127.0.0.1:4739 --check --json
}
more_exporting='reconnect_min: 500ms
  reconnect_max: 500ms
  message_delay: 20ms' export_to back sctp://127.0.0.1 "source: 127.0.0.10, $slowly" killed
sleep 1
kill -INT $wire
wait $wire
exit $status

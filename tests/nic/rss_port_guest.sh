#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The part of rss_port_test.sh that runs in the guest:    rss_port_guest.sh PARSHALL FLOWS.json
# Files in $SHARE: ready (we listen) ... sent (the sender outside has finished) ... then parshall's and nfdump's output.
set -uo pipefail
parshall=$1
cat >/tmp/probe.yaml <<END
observation:
  domain_id: 1
  points:
    - port: "$NIC"
      queues: 2
metering:
  flows_max: 65536
  # Longer than the test: every flow is one record, made at the end.
  timeouts: {idle: 600s, active: 600s, tcp_end: "off"}
  templates: [default]
exporting:
  collectors: ["udp://127.0.0.1:4739", "json:/tmp/share/flows.json"]
lcores: {exporter: 0, housekeeping: 0, workers: [1, 2]}
END
mkdir /tmp/nfdump
nfcapd -w /tmp/nfdump -p 4739 -t 3600 >/tmp/share/nfcapd.log 2>&1 &
collector=$!
"$parshall" run -l 0-2 -a "$NIC" --telemetry -- --config /tmp/probe.yaml --stats json \
    >/tmp/share/parshall.out 2>/tmp/share/parshall.log &
probe=$!

# The port is ready when the probe says that it meters; a probe that has ended will not say it any more.
for _ in $(seq 300); do
    kill -0 $probe 2>/dev/null || break
    if grep -q 'metering; SIGTERM ends' /tmp/share/parshall.log; then touch /tmp/share/ready; break; fi
    sleep 0.2
done
for _ in $(seq 600); do
    if [ -e /tmp/share/sent ] || ! kill -0 $probe 2>/dev/null; then break; fi
    sleep 0.2
done
sleep 2
python3 -B "$(dirname "$0")/queue_counts.py" >/tmp/share/queues.json 2>>/tmp/share/parshall.log
begin=$(date +%s)
kill -TERM $probe 2>/dev/null
wait $probe
status=$?
echo "parshall ended with $status after $(($(date +%s) - begin)) s" >/tmp/share/ended
sleep 1
kill -TERM $collector
wait $collector
nfdump -R /tmp/nfdump -o json >/tmp/share/nfdump.json 2>/tmp/share/nfdump.log
exit $status

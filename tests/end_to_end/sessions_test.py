# SPDX-License-Identifier: BSD-3-Clause
"""Sessions over a real link: how their packets leave, and how soon a collector that vanished is missed. By in_namespaces.sh, as root."""
import re
import subprocess
import time

import harness
import messages
from collect_test import Collect
from harness import Background, tool, wait_until
from live import AF_PACKET, COLLECTOR, Probe, inside, lcores
from sctp_test import SctpCollector
from tls_test import Authority

TLS_PORT, DTLS_PORT = 4748, 4749
NO_HUGE = ('--no-huge', '-m', '1024')

# Accepts every connection and reads it to its end.
TCP_SINK = '''import socket, threading
listener = socket.create_server(("{address}", {port}))
def drain(connection):
    while connection.recv(65536): pass
while True:
    threading.Thread(target=drain, args=(listener.accept()[0],), daemon=True).start()
'''


def config(*collectors) -> str:
    return f'''observation:
  points: [{{port: "{AF_PACKET.format(queues=1)}"}}]
metering: {{flows_max: 4096}}
exporting:
  options_interval: 1h
  shutdown: 1s
  collectors:
''' + ''.join(f'    - {collector}\n' for collector in collectors)


def tcp_sink(scratch, port):
    sink = Background(*inside('collector'), 'python3', '-c', TCP_SINK.format(address=COLLECTOR, port=port), log=scratch / 'sink.log')
    wait_until(lambda: harness.listening(port, 'tcp', inside('collector')), 'the sink listens')
    return sink


def drop_everything(scratch):
    """From now on; packets of DTLS handshakes (content type 22) are counted."""
    rules = scratch / 'drop.nft'
    rules.write_text('table inet gone {\nchain drop_all {\ntype filter hook input priority 0; policy drop;\n'
                     f'udp dport {DTLS_PORT} @th,64,8 22 counter\n}}\n}}\n', encoding='ascii')
    subprocess.run([*inside('collector'), tool('nft'), '-f', rules], check=True)


def handshakes_dropped() -> int:
    listed = subprocess.run([*inside('collector'), tool('nft'), 'list', 'table', 'inet', 'gone'], check=True, capture_output=True)
    return int(re.search(rb'counter packets (\d+)', listed.stdout)[1])


def test_packets_leave_as_asked_for(parshall, scratch):
    wire = scratch / 'wire.pcap'
    tcp_sink(scratch, 4744)
    sctp = SctpCollector(scratch, udp=0, prefix=inside('collector'))
    dump = Background(*inside('collector'), tool('tcpdump'), '-i', 'k0', '-U', '-s', 0, '-w', wire, log=scratch / 'tcpdump.log')
    wait_until(lambda: 'listening on' in dump.text(), 'tcpdump listens')
    probe = Probe(parshall, scratch, config(
        f'{{url: "udp://{COLLECTOR}:4745", source: 198.18.0.1, device: c0, dscp: 8, hop_limit: 3}}',
        f'{{url: "tcp://{COLLECTOR}:4744", dscp: 46, hop_limit: 4}}',
        f'{{url: "sctp://{COLLECTOR}", dscp: 10, hop_limit: 5}}',
        '{url: "udp://[2001:db8::2]:4746", source: "2001:db8::1", dscp: 34, hop_limit: 6}'), '--lcores', lcores(1), *NO_HUGE, seconds=60)
    wait_until(lambda: sctp.messages(), 'messages over SCTP on IP itself')
    probe.end()
    wait_until(lambda: 'end' in sctp.lines(), 'the association ends')
    assert 'shutdown' in sctp.lines(), sctp.lines()
    messages.read([octets for _, octets in sctp.messages()])
    dump.end(2)
    seen = subprocess.run([tool('tshark'), '-r', wire, '-T', 'fields', '-E', 'occurrence=f', '-e', 'ip.src', '-e', 'ipv6.src',
                           '-e', 'ip.proto', '-e', 'ip.dsfield.dscp', '-e', 'ip.ttl', '-e', 'ipv6.nxt',
                           '-e', 'ipv6.tclass.dscp', '-e', 'ipv6.hlim',
                           '-Y', '(udp.dstport in {4745,4746} || tcp.dstport == 4744 || sctp.dstport == 4739) && !icmp && !icmpv6'],
                          check=True, capture_output=True, text=True).stdout
    seen = {tuple(line.split('\t')) for line in seen.splitlines()}
    assert seen == {('198.18.0.1', '', '17', '8', '3', '', '', ''), ('198.18.0.1', '', '6', '46', '4', '', '', ''),
                    ('198.18.0.1', '', '132', '10', '5', '', '', ''), ('', '2001:db8::1', '', '', '', '17', '34', '6')}, seen


def test_a_collector_that_vanished_is_missed_within_15_seconds(parshall, scratch):
    """Idle sessions: nothing is sent that could fail. The link stays up, nothing comes back. Over DTLS nothing comes back anyway; with
    `rehandshake` the collector is asked again in time, and records wait from then on."""
    tcp_sink(scratch, 4747)
    sctp = SctpCollector(scratch, udp=9899, prefix=inside('collector'))
    authority = Authority(scratch)
    theirs, ours = authority.sign('collector', f'IP:{COLLECTOR}'), authority.sign('probe')
    for transport, port in (('tls', TLS_PORT), ('dtls', DTLS_PORT)):
        (scratch / transport).mkdir()
        Collect(parshall, scratch / transport, f'{transport}://{COLLECTOR}:{port}', '--ca', authority.pem, '--certificate', theirs[0],
                '--key', theirs[1], prefix=inside('collector'))
    tls = f'ca: "{authority.pem}", certificate: "{ours[0]}", key: "{ours[1]}"'
    probe = Probe(parshall, scratch, config(f'"tcp://{COLLECTOR}:4747"',
                                            f'{{url: "sctp://{COLLECTOR}", sctp: {{encapsulation: 9899}}}}',
                                            f'{{url: "tls://{COLLECTOR}:{TLS_PORT}", tls: {{{tls}}}}}',
                                            f'{{url: "dtls://{COLLECTOR}:{DTLS_PORT}", tls: {{{tls}, rehandshake: 10s}}}}'),
                  '--lcores', lcores(1), *NO_HUGE, seconds=60)
    wait_until(lambda: 'up' in sctp.lines() and len(re.findall('connected over|exporting over DTLS', probe.text())) == 4,
               'all sessions are up')
    time.sleep(1)  # their last acknowledgements
    drop_everything(scratch)
    begin, lost = time.monotonic(), {}
    while len(lost) < 4 and time.monotonic() - begin < 20:
        for kind in re.findall(r'collector (tcp|sctp|tls)://\S+: (?:connection|association) lost', probe.text()):
            lost.setdefault(kind, time.monotonic() - begin)
        if handshakes_dropped() > 0:
            lost.setdefault('dtls', time.monotonic() - begin)
        time.sleep(0.05)
    print('         missed after', ', '.join(f'{kind} {seconds:.1f} s' for kind, seconds in sorted(lost.items())))
    assert sorted(lost) == ['dtls', 'sctp', 'tcp', 'tls'] and all(seconds < 16 for seconds in lost.values()), (lost, probe.text()[-1500:])
    probe.process.kill()


if __name__ == '__main__':
    harness.main(globals())

# SPDX-License-Identifier: BSD-3-Clause
"""`parshall run` on live ports in network namespaces; run by in_namespaces.sh, as root."""
import json
import signal
import socket
import subprocess
import time

import harness
import ledger
import live
from collectors import FixbufListener, Nfcapd, Tshark
from harness import Background, Skip, tool, wait_until
from live import AF_PACKET, COLLECTOR, Hugepages, Probe, compare, config, inside, lcores, make_traffic, packets_in, send

NO_HUGE = ('--no-huge', '-m', '1024')
TWO_WORKERS = 'lcores: {exporter: 0, housekeeping: 0, workers: [1, 2]}'


def sums_of_truth(truth) -> dict:
    rows = [line.split(',') for line in truth.read_text('utf-8').splitlines()[1:]]
    return {'records': len(rows), 'packets': sum(int(row[5]) for row in rows), 'octets': sum(int(row[6]) for row in rows),
            'reversePackets': sum(int(row[7]) for row in rows), 'reverseOctets': sum(int(row[8]) for row in rows)}


def test_20000_flows_at_top_speed_over_two_queues_to_nfcapd_and_libfixbuf(parshall, scratch):
    pcap, truth = make_traffic(scratch, 20000, 1)
    nfcapd = Nfcapd(scratch, inside('collector'), COLLECTOR, 4739)
    fixbuf = FixbufListener('tcp', scratch, inside('collector'), 4740, idle=60)
    records = scratch / 'records.json'
    probe = Probe(parshall, scratch, config(AF_PACKET.format(queues=2), [
        f'udp://{COLLECTOR}:4739', f'tcp://{COLLECTOR}:4740', f'json:{records}'], 2, roles=TWO_WORKERS),
        '--lcores', lcores(3), *NO_HUGE)
    send(pcap)
    probe.wait_received(packets_in(pcap))
    closed = probe.end()
    ledger.check_nothing_lost(probe.text())
    wanted = sums_of_truth(truth)
    assert closed['received']['packets'] == packets_in(pcap), closed['ports']
    assert closed['ports'][0]['missed'] == 0, closed['ports']
    # One record a flow: so none was split over the queues, whose workers have a table each.
    compare(truth, records, '--one-record')
    found, _ = fixbuf.end()
    assert {name: found[name] for name in wanted} == wanted, f'libfixbuf: {found}, sent {wanted}'
    flows = nfcapd.end()
    assert len(flows) == wanted['records'], f'nfcapd: {len(flows)} flows of {wanted["records"]}'
    assert sum(flow['in_packets'] for flow in flows) == wanted['packets']
    assert sum(flow['in_bytes'] for flow in flows) == wanted['octets']
    assert sum(flow.get('out_packets', 0) for flow in flows) == wanted['reversePackets']
    assert sum(flow.get('out_bytes', 0) for flow in flows) == wanted['reverseOctets']
    ended = closed['recordsMade']['forced_end']['records']
    assert ended == wanted['records'], f'{ended} records with flowEndReason 4'


def meters_exactly(parshall, scratch, port, *eal, queues=1, roles='', interface='w0', where='wire', flows=500,
                   speed=('--pps', '20000')):
    """A port of whatever kind: every flow as it was sent. Returns the ledger."""
    pcap, truth = make_traffic(scratch, flows, 2)
    records = scratch / 'records.json'
    probe = Probe(parshall, scratch, config(port, [f'json:{records}'], queues, roles=roles), *eal)
    if interface:
        send(pcap, *speed, interface=interface, where=where)
    probe.wait_received(packets_in(pcap))
    closed = probe.end()
    ledger.check_nothing_lost(probe.text())
    compare(truth, records, '--one-record')
    return closed


def test_one_two_and_three_lcores(parshall, scratch):
    for count in (1, 2, 3):
        folder = scratch / str(count)
        folder.mkdir()
        closed = meters_exactly(parshall, folder, AF_PACKET.format(queues=1), '--lcores', lcores(count), *NO_HUGE)
        assert len(closed['roles']) == count, closed['roles']


def test_two_queues_on_one_lcore(parshall, scratch):
    meters_exactly(parshall, scratch, AF_PACKET.format(queues=2), '--lcores', lcores(1), *NO_HUGE, queues=2)


def single_queue(yes: bool) -> None:
    """AF_XDP sees one queue of a veth; the kernel must not put packets into another."""
    for interface, where in (('p0', 'probe'), ('w0', 'wire')):
        count = '1' if yes else '2'
        subprocess.run([*inside(where), 'ethtool', '-L', interface, 'rx', count, 'tx', count], check=True)


def test_af_xdp(parshall, scratch):
    try:
        socket.socket(44, socket.SOCK_RAW).close()  # AF_XDP
    except OSError as refused:
        raise Skip(f'the kernel has no AF_XDP: {refused}') from None
    single_queue(True)
    try:
        meters_exactly(parshall, scratch, 'net_af_xdp0,iface=p0', '--lcores', lcores(1), *NO_HUGE)
    finally:
        single_queue(False)


def test_tap(parshall, scratch):
    # not "tap0": tcpreplay makes such an interface itself where /sys is another namespace's
    if not live.Path('/dev/net/tun').exists():
        raise Skip('no /dev/net/tun here')
    meters_exactly(parshall, scratch, 'net_tap0,iface=pt0', '--lcores', lcores(1), *NO_HUGE, interface='pt0', where='probe',
                   speed=('--pps', '5000'))


def test_pcap_port_without_and_with_hugepages(parshall, scratch):
    pcap, _ = make_traffic(scratch, 500, 2)
    meters_exactly(parshall, scratch, f'net_pcap0,rx_pcap={pcap}', '--lcores', lcores(2), *NO_HUGE, interface=None)
    with Hugepages(128) as pages:
        folder = scratch / 'huge'
        folder.mkdir()
        meters_exactly(parshall, folder, f'net_pcap0,rx_pcap={pcap}', '--lcores', lcores(2), '-m', 250, interface=None)
        assert pages.free() == pages.reserved, 'hugepages were not given back'


def test_null_and_ring_ports_start_and_end(parshall, scratch):
    for port in ('net_null0,size=64', 'net_ring0'):
        probe = Probe(parshall, scratch, config(port, [f'json:{scratch}/none.json']), '--lcores', lcores(2), *NO_HUGE)
        time.sleep(0.2)
        closed = probe.end()
        assert (closed['received']['packets'] > 0) == ('null' in port), closed['received']


def test_idle_process_sleeps_and_tells_its_busy_share(parshall, scratch):
    probe = Probe(parshall, scratch, config(AF_PACKET.format(queues=2), [f'json:{scratch}/none.json'], 2, roles=TWO_WORKERS),
                  '--lcores', lcores(3), *NO_HUGE)
    time.sleep(1)  # it has come to rest
    before, begin = probe.cpu_seconds(), time.monotonic()
    time.sleep(2)
    share = (probe.cpu_seconds() - before) / (time.monotonic() - begin)
    told = probe.statistics()['roles']
    probe.end()
    print(f'         idle: {share:.1%} of a CPU')
    # Three lcores that spin take all CPUs there are; how little they take when they sleep is bench's to say.
    assert share < 0.5, f'{share:.1%} of a CPU while idle'
    assert len(told) == 3 and all(0 <= role['busyShare'] < 0.5 for role in told), told


def test_flows_end_by_time_and_messages_leave_without_a_signal(parshall, scratch):
    pcap, truth = make_traffic(scratch, 300, 4)
    fixbuf = FixbufListener('udp', scratch, inside('collector'), 4741, idle=60)
    probe = Probe(parshall, scratch, config(AF_PACKET.format(queues=1), [f'udp://{COLLECTOR}:4741'],
                                            more_metering='timeouts: {idle: 1s, active: 5s, tcp_end: 1s}'),
                  '--lcores', lcores(1), *NO_HUGE)
    send(pcap)
    # Reported within the idle timeout, a sweep of 1 s, and the message delay of 0.5 s (and a busy machine's slack).
    wait_until(lambda: probe.statistics()['collectors'][0]['sent']['records'] == 300, 'all flows are reported', 6)
    told = probe.statistics()
    assert told['recordsMade']['idle_timeout']['records'] == 300, told['recordsMade']
    probe.end()
    found, _ = fixbuf.end()
    wanted = sums_of_truth(truth)
    assert {name: found[name] for name in wanted} == wanted, f'{found}, sent {wanted}'


def test_collectors_that_are_away(parshall, scratch):
    pcap, _ = make_traffic(scratch, 2000, 5)
    probe = Probe(parshall, scratch, config(AF_PACKET.format(queues=1), [
        f'udp://{COLLECTOR}:9', f'tcp://{COLLECTOR}:9', 'tcp://203.0.113.9:9']), '--lcores', lcores(2), *NO_HUGE)
    send(pcap)
    probe.wait_received(packets_in(pcap))
    closed = probe.end()
    assert closed['received']['packets'] == packets_in(pcap)
    for collector in closed['collectors'][1:]:
        assert collector['sent']['records'] == 0 and sum(t['records'] for t in collector['lost'].values()) == 2000, collector


def test_no_fragment_leaves_over_a_small_mtu(parshall, scratch):
    pcap, truth = make_traffic(scratch, 1000, 6)
    for interface, where in (('c0', 'probe'), ('k0', 'collector')):
        subprocess.run([*inside(where), 'ip', 'link', 'set', interface, 'mtu', '1280'], check=True)
    try:
        for address, url in ((COLLECTOR, COLLECTOR), ('2001:db8::2', '[2001:db8::2]')):
            folder = scratch / address.replace(':', '_')
            folder.mkdir()
            nfcapd = Nfcapd(folder, inside('collector'), address, 4744)
            wire = folder / 'wire.pcap'
            tcpdump = Background(*inside('collector'), tool('tcpdump'), '-i', 'k0', '-U', '-s', 0, '-B', 16384, '-w', wire, 'ip or ip6',
                                 log=folder / 'tcpdump.log')
            wait_until(lambda: 'listening on' in tcpdump.text(), 'tcpdump listens')
            probe = Probe(parshall, folder, config(AF_PACKET.format(queues=1), [f'udp://{url}:4744'], templates='wide'),
                          '--lcores', lcores(2), *NO_HUGE)
            send(pcap)
            probe.wait_received(packets_in(pcap))
            probe.end()
            flows, wanted = nfcapd.end(), sums_of_truth(truth)['records']
            assert len(flows) == wanted, f'nfcapd: {len(flows)} flows of {wanted}\n{nfcapd.process.text()}\n{probe.text()}'
            tcpdump.end(signal.SIGINT)
            judged = Tshark(wire)
            fragments = judged.run('-Y', 'ip.flags.mf == 1 || ip.frag_offset > 0 || ipv6.fraghdr')
            assert not fragments, fragments
            sizes = judged.run('-o', 'ip.defragment:FALSE', '-Y', 'udp.dstport == 4744', '-T', 'fields', '-e', 'frame.len').split()
            assert sizes and max(map(int, sizes)) <= 1280 + 14, f'frames of up to {max(map(int, sizes))} octets'
            assert max(map(int, sizes)) > 1000, 'messages are much smaller than the path allows'
            assert not judged.run('-Y', 'icmp.type == 3 || icmpv6.type == 2'), 'somebody had to complain about the size'
    finally:
        for interface, where in (('c0', 'probe'), ('k0', 'collector')):
            subprocess.run([*inside(where), 'ip', 'link', 'set', interface, 'mtu', '1500'], check=True)


def test_kill_9_ten_times_and_the_next_start_works(parshall, scratch):
    pcap, truth = make_traffic(scratch, 500, 2)
    records = scratch / 'records.json'
    for turn in range(10):
        probe = Probe(parshall, scratch, config(AF_PACKET.format(queues=1), [f'json:{records}']), '--lcores', lcores(1), *NO_HUGE,
                      name=f'killed{turn}')
        send(pcap)
        time.sleep(0.02 * turn)
        probe.process.kill()
    meters_exactly(parshall, scratch, AF_PACKET.format(queues=1), '--lcores', lcores(1), *NO_HUGE)


def test_kill_9_with_hugepages_leaves_none_behind(parshall, scratch):
    with Hugepages(128) as pages:
        for turn in range(4):
            probe = Probe(parshall, scratch, config('net_null0,size=64', [f'json:{scratch}/null.json']), '--lcores', lcores(1),
                          '-m', 200, name=f'killed{turn}')
            time.sleep(0.1)
            probe.process.kill()
            wait_until(lambda: pages.free() == pages.reserved, 'the pages are free again', 3)


def test_what_other_interfaces_carry_while_a_port_is_made_is_not_metered(parshall, scratch):
    # DPDK's af_packet driver takes packets of all interfaces between the moment it opens a socket and the moment it binds it.
    pcap, truth = make_traffic(scratch, 500, 2)
    records = scratch / 'records.json'
    code = f'import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nwhile True: s.sendto(b"x", ("{COLLECTOR}", 9))\n'
    other = Background(*inside('probe'), 'python3', '-c', code, log=scratch / 'other.log')
    try:
        probe = Probe(parshall, scratch, config(AF_PACKET.format(queues=2), [f'json:{records}'], 2, roles=TWO_WORKERS),
                      '--lcores', lcores(3), *NO_HUGE)
    finally:
        other.end()
    send(pcap, '--pps', '20000')
    probe.wait_received(packets_in(pcap))
    closed = probe.end()
    ledger.check_nothing_lost(probe.text())
    assert closed['received']['packets'] == packets_in(pcap), closed['ports']
    compare(truth, records, '--one-record')


def silent_server(scratch, port):
    """A TCP collector in the namespace that accepts and never reads."""
    code = ('import socket, time\ns = socket.socket()\ns.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)\n'
            f's.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\ns.bind(("{COLLECTOR}", {port}))\ns.listen(8)\n'
            'kept = []\nwhile True: kept.append(s.accept())\n')
    server = Background(*inside('collector'), 'python3', '-c', code, log=scratch / 'silent.log')
    wait_until(lambda: harness.listening(port, 'tcp', inside('collector')), 'the silent collector listens')
    return server


def test_a_collector_that_never_reads_costs_counted_records_only(parshall, scratch):
    pcap, truth = make_traffic(scratch, 20000, 1)
    silent_server(scratch, 4742)
    records = scratch / 'records.json'
    probe = Probe(parshall, scratch, config(AF_PACKET.format(queues=1), [f'tcp://{COLLECTOR}:4742', f'json:{records}'],
                                            more_metering='timeouts: {idle: 1s, active: 5s, tcp_end: 1s}',
                                            more_exporting='queue_octets: 64K\n  shutdown: 1s'),
                  '--lcores', lcores(2), *NO_HUGE)
    send(pcap)
    probe.wait_received(packets_in(pcap))
    wait_until(lambda: probe.statistics()['encoded']['records'] >= 20000, 'all flows are reported', 15)
    closed = probe.end()
    assert closed['received']['packets'] == packets_in(pcap), closed['received']
    slow, file = closed['collectors']
    assert slow['lost']['queue_full']['records'] > 0, slow
    assert file['sent'] == closed['encoded'], 'one collector must not cost the other its records'
    compare(truth, records)


def test_reloads_under_traffic_lose_nothing(parshall, scratch):
    pcap, truth = make_traffic(scratch, 20000, 1)
    # Of every session: each data record as a line, those of options templates too.
    received = scratch / 'received.json'
    with open(received, 'wb') as out:
        collect = subprocess.Popen([*inside('collector'), parshall, 'collect', 'tcp://0.0.0.0:4744', '--json', '-q'], stdout=out,
                                   stderr=subprocess.PIPE)
    harness.wait_until(lambda: harness.listening(4744, 'tcp', inside('collector')), 'the collector listens')
    records = scratch / 'records.json'

    def with_collectors(*more, metering='', exporting=''):
        return config(AF_PACKET.format(queues=2), [f'json:{records}', *more], 2, roles=TWO_WORKERS, more_metering=metering,
                      more_exporting=exporting)

    short = 'timeouts: {idle: 1s, active: 2s, tcp_end: 100ms}'
    second = f'tcp://{COLLECTOR}:4744'
    probe = Probe(parshall, scratch, with_collectors(), '--lcores', lcores(3), *NO_HUGE)
    sender = Background(*inside('wire'), tool('tcpreplay'), '-i', 'w0', '--pps', '20000', pcap, log=scratch / 'replay.log')
    answers = []
    while sender.process.poll() is None:
        answers.append(probe.reload(with_collectors(second)))
        answers.append(probe.reload(with_collectors(metering=short)))
        answers.append(probe.reload(with_collectors(second, metering=short, exporting='message_delay: 50ms')))
    assert sender.process.returncode == 0, sender.text()
    assert all('is in effect' in answer for answer in answers) and len(answers) >= 6, answers
    # What is wrong, or cannot change, leaves everything as it is and says why.
    for wrong, why in ((with_collectors(second) + 'nonsense: 1\n', "unknown key 'nonsense'"),
                       (with_collectors(second).replace('65536', '4096'), 'metering.flows_max cannot change'),
                       (with_collectors(second).replace('queues: 2', 'queues: 1'), 'observation.points cannot change'),
                       (with_collectors('tls://collector.example'), 'not reloaded')):
        answer = probe.reload(wrong)
        assert 'not reloaded, everything stays as it is' in answer and why in answer, answer
    probe.wait_received(packets_in(pcap))
    closed = probe.end()
    ledger.check_nothing_lost(probe.text())
    assert closed['received']['packets'] == packets_in(pcap), closed['ports']
    # The file was there all the time and has every packet; the other collector has what its sessions were offered.
    compare(truth, records)
    file, *others = closed['collectors']
    assert file['absent']['records'] == 0 and file['sent'] == closed['encoded'], file
    assert sum(one['absent']['records'] for one in others) > 0
    harness.settled(lambda: received.stat().st_size, 0.5)
    collect.send_signal(signal.SIGTERM)
    assert collect.wait(10) == 0, collect.stderr.read()
    found = sum('flowEndReason' in json.loads(line) for line in received.read_text('utf-8').splitlines())
    assert found == sum(one['sent']['records'] for one in others) > 0, (found, others)


def test_a_second_signal_ends_at_once(parshall, scratch):
    pcap, _ = make_traffic(scratch, 2000, 5)
    silent_server(scratch, 4743)
    probe = Probe(parshall, scratch, config(AF_PACKET.format(queues=1), [f'tcp://{COLLECTOR}:4743', 'tcp://203.0.113.9:9'],
                                            more_exporting='shutdown: 60s'), '--lcores', lcores(2), *NO_HUGE)
    send(pcap)
    probe.wait_received(packets_in(pcap))
    probe.process.process.send_signal(signal.SIGTERM)
    time.sleep(1)
    assert probe.process.process.poll() is None, 'it should still be waiting for its collectors'
    begin = time.monotonic()
    probe.process.end(signal.SIGTERM, 5)
    assert time.monotonic() - begin < 1, 'the second signal took too long'


if __name__ == '__main__':
    harness.main(globals())

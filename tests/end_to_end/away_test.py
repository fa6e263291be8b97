# SPDX-License-Identifier: BSD-3-Clause
"""Collectors that are away, over TCP on the loopback interface: spool, failover, round robin; every record is accounted for."""
import functools
import json
import signal
import socket
import subprocess
import threading
import time

import harness
import ledger
import live
import messages
from harness import CAPTURES, Background, Skip, free_port, read, wait_until


class TcpCollector:
    """Keeps the octets of each connection; may be ended and started again on the same port."""

    def __init__(self, port=None):
        self.port = port or free_port()
        self.streams = []
        self.open()

    def open(self):
        self.ended = False
        self.connections = []
        self.receivers = []
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(('127.0.0.1', self.port))
        self.socket.listen(8)
        threading.Thread(target=self.accept, args=(self.socket,), daemon=True).start()
        return self

    def accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            stream = bytearray()
            self.streams.append(stream)
            self.connections.append(connection)
            self.receivers.append(threading.Thread(target=self.receive, args=(connection, stream), daemon=True))
            self.receivers[-1].start()

    @staticmethod
    def receive(connection, stream):
        try:
            while octets := connection.recv(65536):
                stream.extend(octets)
        except OSError:
            pass

    def close(self):
        """What the kernel had acknowledged is read to its end: the exporter counts it as sent."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for connection in self.connections:
            connection.shutdown(socket.SHUT_RDWR)
        for receiver in self.receivers:
            receiver.join()
        for connection in self.connections:
            connection.close()

    def octets(self) -> int:
        return sum(map(len, self.streams))

    def records(self) -> int:
        """Data records in whole messages of all connections, each read strictly."""
        harness.settled(self.octets, 0.3)
        return sum(messages.read(messages.split(whole_messages(bytes(stream)))).data_records for stream in self.streams)


def whole_messages(stream: bytes) -> bytes:
    """Without what a broken connection left of its last message."""
    at = 0
    while at + 4 <= len(stream) and at + int.from_bytes(stream[at + 2:at + 4], 'big') <= len(stream):
        at += int.from_bytes(stream[at + 2:at + 4], 'big')
    return stream[:at]


@functools.lru_cache(None)
def traffic(flows):
    return live.make_traffic(harness.keep_until_exit(), flows)[0]


def config(scratch, collectors: str, more=''):
    file = scratch / 'away.yaml'
    file.write_text(f'exporting:\n  collectors:\n{collectors}\n'
                    f'  queue_octets: 256k\n  reconnect_min: 100ms\n  reconnect_max: 200ms\n{more}')
    return file


def spooling(scratch, port, octets_max='1G'):
    return config(scratch, f'    - {{url: "tcp://127.0.0.1:{port}", spool: {{directory: {scratch}/spool, octets_max: {octets_max}}}}}')


def only(run):
    return run.ledger()['collectors'][0]


def test_what_a_collector_that_never_came_missed_is_sent_by_the_next_run(parshall, scratch):
    pcap = traffic(30000)
    port = free_port()
    first = only(read(parshall, pcap, '-c', spooling(scratch, port)))
    assert first['offered']['records'] >= 30000 and first['spooled'] == first['offered'], first
    collector = TcpCollector(port)
    second = only(read(parshall, CAPTURES / 'ping.pcap', '-c', spooling(scratch, port)))
    assert second['recovered'] == first['spooled'], second
    assert second['spooled']['records'] == 0 and not sum(lost['records'] for lost in second['lost'].values()), second
    assert collector.records() == second['sent']['records'] == second['recovered']['records'] + second['offered']['records']
    assert not list((scratch / 'spool').glob('*.gz')), 'files of the spool are left'


def test_a_collector_that_is_killed_and_returns_gets_every_record_once(parshall, scratch):
    pcap = traffic(150000)
    collector = TcpCollector()
    run = Background(parshall, 'read', '--stats', 'json', pcap, '-c', spooling(scratch, collector.port), log=scratch / 'run.log')
    wait_until(lambda: collector.octets() > 100000, 'the first records arrive')
    collector.close()
    time.sleep(2)
    collector.open()
    assert run.wait(60) == 0, run.text()
    told = ledger.check(run.text())['collectors'][0]
    again = only(read(parshall, CAPTURES / 'ping.pcap', '-c', spooling(scratch, collector.port)))
    assert told['sessions'] + again['sessions'] >= 2, told
    sent = told['sent']['records'] + again['sent']['records']
    # What TCP had under way when the collector died may have arrived.
    in_flight = told['lost']['connection_lost']['records']
    lost = sum(tally['records'] for tally in told['lost'].values()) - in_flight
    assert lost == 0, told
    assert sent + in_flight == told['offered']['records'] + again['offered']['records'], (told, again)
    assert sent <= collector.records() <= sent + in_flight, f'{collector.records()} arrived, {sent} sent, {in_flight} in flight'


def test_kill_9_while_it_spools_and_the_next_run_sends_what_was_on_disk(parshall, scratch):
    pcap = traffic(150000)
    port = free_port()
    killed = Background(parshall, 'read', pcap, '-c', spooling(scratch, port), log=scratch / 'killed.log')
    on_disk = lambda: sum(file.stat().st_size for file in (scratch / 'spool').glob('*.gz'))
    wait_until(lambda: (scratch / 'spool').is_dir() and on_disk() > 300000, 'it spools')
    killed.process.send_signal(signal.SIGKILL)
    killed.wait(5)
    collector = TcpCollector(port)
    told = only(read(parshall, CAPTURES / 'ping.pcap', '-c', spooling(scratch, port)))
    assert told['recovered']['records'] > 1000, told
    assert collector.records() == told['sent']['records']
    assert told['recovered']['records'] - told['lost']['spool_damaged']['records'] + told['offered']['records'] == told['sent']['records']


def test_a_full_disk_is_counted_and_not_fatal(parshall, scratch):
    pcap = traffic(150000)
    (scratch / 'spool').mkdir()
    port = free_port()
    script = (f'mount -t tmpfs -o size=1m none {scratch}/spool || exit 77; '
              f'exec {parshall} read --stats json {pcap} -c {spooling(scratch, port)}')
    done = subprocess.run(['unshare', '--mount', 'sh', '-c', script], capture_output=True, text=True, check=False, timeout=120)
    if done.returncode in (1, 77) and 'ledger' not in done.stderr and '{' not in done.stderr:
        raise Skip(f'no tmpfs can be mounted here: {done.stderr.strip()}')
    assert done.returncode == 0, done.stderr
    told = ledger.check(done.stderr)['collectors'][0]
    assert told['lost']['spool_full']['records'] > 0 and told['spooled']['records'] > 0, told
    assert 'No space left on device' in done.stderr, done.stderr


def test_a_read_only_disk_ends_the_start_with_what_to_do(parshall, scratch):
    (scratch / 'spool').mkdir()
    script = (f'mount -t tmpfs -o ro none {scratch}/spool || exit 77; '
              f'exec {parshall} read {CAPTURES}/ping.pcap -c {spooling(scratch, free_port())}')
    done = subprocess.run(['unshare', '--mount', 'sh', '-c', script], capture_output=True, text=True, check=False, timeout=60)
    if 'parshall:' not in done.stderr:
        raise Skip(f'no tmpfs can be mounted here: {done.stderr.strip()}')
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert 'Read-only file system; name a directory that may be written' in done.stderr, done.stderr


def test_round_robin_splits_evenly(parshall, scratch):
    pcap = traffic(30000)
    collectors = [TcpCollector() for _ in range(3)]
    urls = ', '.join(f'"tcp://127.0.0.1:{one.port}"' for one in collectors)
    group = only(read(parshall, pcap, '-c', config(scratch, f'    - {{distribute: round_robin, collectors: [{urls}]}}')))
    counts = [one.records() for one in collectors]
    assert sum(counts) == group['sent']['records'] == group['offered']['records'], (counts, group)
    assert counts == [member['sent']['records'] for member in group['members']]
    assert max(counts) - min(counts) <= 65535 / 40, counts  # a message's worth


def test_flow_hash_gives_a_flow_to_the_same_collector_in_every_run(parshall, scratch):
    pcap = traffic(3000)
    found = []
    for _ in range(2):
        collectors = [TcpCollector(port) for port in (47391, 47392, 47393)]
        urls = ', '.join(f'"tcp://127.0.0.1:{one.port}"' for one in collectors)
        read(parshall, pcap, '-t', 'uniflow', '-c', config(scratch, f'    - {{distribute: flow_hash, collectors: [{urls}]}}'))
        flows = []
        for number, one in enumerate(collectors):
            assert one.records() > 300
            stream = scratch / f'{number}.ipfix'
            stream.write_bytes(b''.join(one.streams))
            shown = subprocess.run([parshall, 'show', '--json', stream], capture_output=True, check=True).stdout
            rows = [json.loads(line) for line in shown.splitlines()]
            flows.append({(frozenset([(harness.source(row), row.get('sourceTransportPort', 0)),
                                      (harness.destination(row), row.get('destinationTransportPort', 0))]),
                           row['protocolIdentifier']) for row in rows})
            one.close()
        for a in range(3):
            for b in range(a):
                assert not flows[a] & flows[b], 'one flow went to two collectors'
        found.append(flows)
    assert found[0] == found[1], 'another run chose other collectors'


def test_failover_to_the_second_and_no_record_twice(parshall, scratch):
    pcap = traffic(30000)
    absent, second = free_port(), TcpCollector()
    urls = f'"tcp://127.0.0.1:{absent}", "tcp://127.0.0.1:{second.port}"'
    group = only(read(parshall, pcap, '-c', config(
        scratch, f'    - {{distribute: failover, failover_after: 200ms, collectors: [{urls}]}}')))
    assert second.records() == group['sent']['records'] == group['offered']['records'], group
    assert group['members'][0]['handedOver']['records'] == group['members'][0]['offered']['records'], group


if __name__ == '__main__':
    harness.main(globals())

# SPDX-License-Identifier: BSD-3-Clause
"""parshall collect: what it receives over each transport is what was sent, and --check names what is wrong, and nothing else."""
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys

import harness
import ledger
import messages
from collectors import DatagramSink, Tshark, write_pcap
from harness import CAPTURES, Background, Run, Skip, read, settled, tool, wait_until
from live import make_traffic
from tls_test import Authority

OFFICE = CAPTURES / 'office.pcap'
GROUND = struct.pack('!HHHH', 256, 1, 1, 4)  # template 256: octetDeltaCount[4]


class Collect:
    """A parshall collect that listens on a port of its own."""

    def __init__(self, parshall, scratch, url, *words, prefix=()):
        self.out = scratch / 'collected'
        self.log = scratch / 'collect.log'
        with open(self.out, 'wb') as out, open(self.log, 'wb') as log:
            self.process = subprocess.Popen([*prefix, parshall, 'collect', url, *map(str, words)], stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=log)
        wait_until(lambda: '(port ' in self.said() or self.process.poll() is not None, 'it listens')
        assert self.process.poll() is None, self.said()
        self.port = int(self.said().split('(port ')[1].split(')')[0])

    def said(self) -> str:
        return self.log.read_text('utf-8')

    def lines(self) -> list:
        return [json.loads(line) for line in self.out.read_text('utf-8').splitlines()]

    def end(self, expect=0, how=signal.SIGTERM):
        """What it printed, when nothing more comes."""
        settled(lambda: self.out.stat().st_size, 0.4)
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(10)
        assert expect is None or status == expect, f'exit {status}\n{self.said()}\n{self.out.read_text("utf-8")[:3000]}'
        return self.lines()


def message(*sets, sequence=0, time=1_700_000_000):
    body = b''.join(struct.pack('!HH', number, 4 + len(octets)) + octets for number, octets in sets)
    return struct.pack('!HHIII', 10, 16 + len(body), time, sequence, 1) + body


def send(port, *datagrams):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as exporter:
        for datagram in datagrams:
            exporter.sendto(datagram, ('127.0.0.1', port))


def rules(session) -> set:
    return {finding['rule'] for finding in session['findings'] if finding['violation']}


def options_config(scratch, *collectors):
    path = scratch / 'options.yaml'
    path.write_text('exporting:\n  options_records: true\n  collectors: [' + ', '.join(f'"{one}"' for one in collectors) + ']\n',
                    encoding='utf-8')
    return path


def test_records_arrive_as_they_were_sent_over_udp_and_tcp_ipv4_and_ipv6(parshall, scratch):
    wanted = sorted(map(json.dumps, read(parshall, OFFICE, '-o', 'json').records()))
    for transport in ('udp', 'tcp'):
        for address in ('127.0.0.1', '[::1]'):
            collect = Collect(parshall, scratch, f'{transport}://{address}:{harness.free_port()}', '--json')
            read(parshall, OFFICE, '-o', f'{transport}://{address}:{collect.port}')
            assert sorted(map(json.dumps, collect.end())) == wanted, f'{transport} {address}'
            assert '42 flow records' in collect.said()


def test_our_exporter_keeps_every_rule_over_udp_tcp_and_in_files(parshall, scratch):
    for templates in ('default', 'uniflow', 'minimal', 'wide'):
        for transport in ('udp', 'tcp'):
            collect = Collect(parshall, scratch, f'{transport}://127.0.0.1:{harness.free_port()}', '--check', '--json')
            run = read(parshall, OFFICE, '-t', templates, '-c', options_config(scratch, f'{transport}://127.0.0.1:{collect.port}'))
            session, = collect.end()
            sink = run.ledger()['collectors'][0]
            assert not session['findings'] and not session['diagnoses'], session
            assert session['flowRecords'] == sink['sent']['records'] and session['optionsRecords'] == sink['optionsRecords'] > 0
            assert session['messages'] == sink['messages'] and session['domains'] == [1]
        read(parshall, OFFICE, '-t', templates, '-c', options_config(scratch, 'file://' + str(scratch / 'x.ipfix')))
        checked = json.loads(Run(parshall, 'show', '--check', '--json', scratch / 'x.ipfix').stdout)
        assert not checked['findings'] and checked['optionsRecords'] > 0, checked


def test_a_running_probe_keeps_every_rule_while_templates_and_options_are_repeated(parshall, scratch):
    if os.geteuid() != 0:
        raise Skip('needs root: a DPDK port')
    collectors = []
    for transport in ('udp', 'tcp'):
        (scratch / transport).mkdir()
        collectors.append(Collect(parshall, scratch / transport, f'{transport}://127.0.0.1:{harness.free_port()}', '--check', '--json'))
    config = scratch / 'run.yaml'
    config.write_text(f'observation: {{points: [{{port: "net_pcap0,rx_pcap={OFFICE}"}}]}}\n'
                      'metering: {flows_max: 65536, timeouts: {idle: 1s, active: 1s, tcp_end: 1s}}\n'
                      'exporting:\n  template_refresh: 1s\n  options_interval: 1s\n'
                      f'  collectors: ["udp://127.0.0.1:{collectors[0].port}", "tcp://127.0.0.1:{collectors[1].port}"]\n',
                      encoding='utf-8')
    probe = Background(parshall, 'run', '-l', '0', '--no-huge', '-m', '256', '--', '--config', config, log=scratch / 'run.log')
    wait_until(lambda: 'metering' in probe.text(), 'it meters', 30)
    settled(lambda: 0, 4, 4)  # templates and options are repeated by time
    assert probe.end() == 0, probe.text()
    (udp,), (tcp,) = (collect.end() for collect in collectors)
    assert not udp['findings'] and not tcp['findings'], f'{udp}\n{tcp}'
    assert udp['flowRecords'] == tcp['flowRecords'] >= 42 and udp['templateRecords'] > 2 * tcp['templateRecords'], f'{udp}\n{tcp}'


def test_several_exporters_at_once_are_told_apart(parshall, scratch):
    for transport in ('udp', 'tcp'):
        collect = Collect(parshall, scratch, f'{transport}://[::]:{harness.free_port()}', '--check', '--json')
        exporters = [subprocess.Popen([parshall, 'read', OFFICE, '-q', '--domain-id', str(number), '-o',
                                       f'{transport}://127.0.0.1:{collect.port}'], stderr=subprocess.DEVNULL)
                     for number in range(1, 5)]
        assert [exporter.wait(60) for exporter in exporters] == [0, 0, 0, 0]
        settled(collect.said, 0.4)
        sessions = collect.end()
        assert sorted(session['domains'] for session in sessions) == [[1], [2], [3], [4]]
        assert all(session['flowRecords'] == 42 and not session['findings'] for session in sessions), sessions
        assert len({session['session'] for session in sessions}) == 4


def test_over_tls_an_exporter_needs_a_certificate_of_our_authority(parshall, scratch):
    authority = Authority(scratch)
    (scratch / 'other').mkdir()
    stranger = Authority(scratch / 'other', 'stranger')
    theirs, ours = authority.sign('probe'), authority.sign('collector', 'DNS:localhost')
    collect = Collect(parshall, scratch, f'tls://127.0.0.1:{harness.free_port()}', '--check', '--json', '--ca',
                      authority.pem, '--certificate', ours[0], '--key', ours[1])
    config = scratch / 'tls.yaml'
    config.write_text(f'exporting:\n  options_records: true\n  collectors:\n    - url: "tls://localhost:{collect.port}"\n'
                      f'      tls: {{ca: "{authority.pem}", certificate: "{theirs[0]}", key: "{theirs[1]}"}}\n', encoding='utf-8')
    ledger.check_nothing_lost(read(parshall, OFFICE, '--config', config).stderr)
    wait_until(lambda: 'closed by the exporter' in collect.said(), 'the session has ended')
    assert 'the exporter is CN = probe' in collect.said(), collect.said()

    def knock(certificate, version):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(authority.pem)
        context.check_hostname = False
        context.minimum_version = context.maximum_version = version
        if certificate:
            context.load_cert_chain(*certificate)
        try:
            with socket.create_connection(('127.0.0.1', collect.port)) as plain, context.wrap_socket(plain) as secure:
                secure.sendall(message((2, GROUND)))
                return secure.recv(1) != b''
        except OSError:
            return False
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        assert not knock(None, version)
        assert not knock(stranger.sign('intruder'), version)
    with socket.create_connection(('127.0.0.1', collect.port)) as plain:
        plain.sendall(message((2, GROUND)))
        plain.settimeout(5)
        try:
            while plain.recv(100):
                pass
        except ConnectionError:
            pass
    wait_until(lambda: 'what comes is not TLS' in collect.said(), 'plain TCP is refused by name')
    said = collect.said()
    assert 'peer did not return a certificate' in said and 'unable to get local issuer certificate' in said, said
    sessions = [session for session in collect.end() if session['messages']]
    assert len(sessions) == 1 and sessions[0]['flowRecords'] == 42 and not sessions[0]['findings'], sessions


def test_over_dtls_the_same_arrives_and_strangers_are_refused(parshall, scratch):
    authority = Authority(scratch)
    (scratch / 'other').mkdir()
    stranger = Authority(scratch / 'other', 'stranger').sign('intruder')
    ours = authority.sign('collector', 'DNS:localhost,IP:127.0.0.1')
    collect = Collect(parshall, scratch, f'dtls://127.0.0.1:{harness.free_port()}', '--check', '--json', '--ca', authority.pem,
                      '--certificate', ours[0], '--key', ours[1])
    config = scratch / 'dtls.yaml'

    def export(certificate, key):
        config.write_text(f'exporting:\n  options_records: true\n  shutdown: 2s\n  collectors:\n    - url: "dtls://127.0.0.1:'
                          f'{collect.port}"\n      tls: {{ca: "{authority.pem}", certificate: "{certificate}", key: "{key}"}}\n',
                          encoding='utf-8')
        return read(parshall, OFFICE, '--config', config)
    run = export(*authority.sign('probe'))
    ledger.check_nothing_lost(run.stderr)
    wait_until(lambda: 'closed by the exporter' in collect.said(), 'the session has ended')
    assert 'DTLSv1.2, the exporter is CN = probe' in collect.said(), collect.said()
    sink = export(*stranger).ledger()['collectors'][0]
    assert sink['sent']['records'] == 0, sink
    assert 'unable to get local issuer certificate' in collect.said(), collect.said()
    send(collect.port, message((2, GROUND)))
    wait_until(lambda: 'what is not DTLS' in collect.said(), 'plain UDP is told')
    sessions = [session for session in collect.end() if session['messages']]
    assert len(sessions) == 1 and sessions[0]['flowRecords'] == 42 and not sessions[0]['findings'], sessions
    assert sessions[0]['session'].startswith('dtls '), sessions


def test_with_a_name_only_the_exporter_of_that_name_is_heard(parshall, scratch):
    authority = Authority(scratch)
    ours = authority.sign('collector', 'DNS:localhost,IP:127.0.0.1')
    wanted, another = authority.sign('probe', 'DNS:tap7.example'), authority.sign('other', 'DNS:tap8.example')
    for scheme in ('tls', 'dtls'):
        collect = Collect(parshall, scratch, f'{scheme}://127.0.0.1:{harness.free_port()}', '--check', '--json', '--ca',
                          authority.pem, '--certificate', ours[0], '--key', ours[1], '--exporter', 'tap7.example')
        config = scratch / 'named.yaml'

        def export(certificate, key):
            config.write_text(f'exporting:\n  shutdown: 2s\n  collectors:\n    - url: "{scheme}://127.0.0.1:{collect.port}"\n'
                              f'      tls: {{ca: "{authority.pem}", certificate: "{certificate}", key: "{key}"}}\n', encoding='utf-8')
            return read(parshall, OFFICE, '--config', config)
        export(*another)
        wait_until(lambda: 'hostname mismatch' in collect.said(), 'a refusal by name')
        ledger.check_nothing_lost(export(*wanted).stderr)
        sessions = [session for session in collect.end() if session['messages']]
        assert len(sessions) == 1 and sessions[0]['flowRecords'] == 42, sessions


def test_over_sctp_the_same_arrives(parshall, scratch):
    udp = harness.free_port()
    collect = Collect(parshall, scratch, 'sctp://127.0.0.1:4739', '--encapsulation', udp, '--check', '--json')
    config = scratch / 'sctp.yaml'
    config.write_text('exporting:\n  options_records: true\n  shutdown: 3s\n  collectors:\n    - url: "sctp://127.0.0.1:4739"\n'
                      f'      sctp: {{encapsulation: {udp}}}\n', encoding='utf-8')
    run = read(parshall, OFFICE, '--config', config)
    ledger.check_nothing_lost(run.stderr)
    sink = run.ledger()['collectors'][0]
    wait_until(lambda: 'closed by the exporter' in collect.said(), 'the association has ended')
    session, = collect.end()
    assert session['session'].startswith('sctp 127.0.0.1:') and not session['findings'], session
    assert session['flowRecords'] == 42 and session['messages'] == sink['messages'], session


def test_over_sctp_with_a_stream_for_each_template_every_rule_is_kept(parshall, scratch):
    udp = harness.free_port()
    collect = Collect(parshall, scratch, 'sctp://127.0.0.1:4739', '--encapsulation', udp, '--check', '--json')
    config = scratch / 'streams.yaml'
    config.write_text('exporting:\n  options_records: true\n  shutdown: 3s\n  collectors:\n    - url: "sctp://127.0.0.1:4739"\n'
                      f'      sctp: {{encapsulation: {udp}, streams: per_template}}\n', encoding='utf-8')
    run = read(parshall, OFFICE, '--config', config)
    ledger.check_nothing_lost(run.stderr)
    sink = run.ledger()['collectors'][0]
    wait_until(lambda: 'closed by the exporter' in collect.said(), 'the association has ended')
    session, = collect.end()
    assert not session['findings'], session
    assert session['flowRecords'] == 42 and session['messages'] == sink['messages'], session
    assert session['streams'] >= 8 and session['optionsRecords'] == sink['optionsRecords'], session


def test_credentials_that_cannot_work_and_urls_nobody_can_listen_on_are_told(parshall, scratch):
    for words, expect, sentence in ((('tls://127.0.0.1:0', ), 2, 'the port is a number from 1'),
                                    (('tls://127.0.0.1', ), 2, 'say --ca FILE --certificate FILE --key FILE'),
                                    (('file:///x', ), 2, '`parshall show FILE`'),
                                    (('udp://192.0.2.1:4739', ), 1, 'name an address of this machine'),
                                    ((), 2, 'where to listen is missing')):
        run = Run(parshall, 'collect', *words, '--for', '1s', expect=expect)
        assert sentence in run.stderr, run.stderr
    authority = Authority(scratch)
    certificate, key = authority.sign('collector')
    _, another = authority.sign('another')
    for words, sentence in (((scratch / 'none.pem', certificate, key), "the exporter's authority"),
                            ((authority.pem, certificate, another), 'is not that of')):
        given = [word for pair in zip(('--ca', '--certificate', '--key'), words) for word in pair]
        run = Run(parshall, 'collect', 'tls://127.0.0.1', *given, '--for', '1s', expect=1)
        assert sentence in run.stderr, run.stderr
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(('127.0.0.1', 0))
        run = Run(parshall, 'collect', f'udp://127.0.0.1:{taken.getsockname()[1]}', expect=1)
        assert 'end the program that has this port' in run.stderr, run.stderr
    run = Run(parshall, 'collect', f'udp://127.0.0.1:{harness.free_port()}', '--check', '--for', '300ms', expect=1)
    assert 'nothing came' in run.stderr


def test_it_ends_when_told_after_records_messages_a_time_or_a_signal(parshall, scratch):
    def case(words, how):
        folder = scratch / '-'.join(('ends', *words))
        folder.mkdir()
        collect = Collect(parshall, folder, f'udp://127.0.0.1:{harness.free_port()}', '--json', *words)
        read(parshall, OFFICE, '-o', f'udp://127.0.0.1:{collect.port}')
        if how is None:
            collect.process.wait(20)
        records = collect.end(how=how or signal.SIGTERM)
        assert len(records) == 5 if '--records' in words else records or '--messages' in words, words
    harness.side_by_side(case, (('--records', '5'), None), (('--messages', '1'), None), (('--for', '6s'), None), ((), signal.SIGINT))


def messages_of(path):
    """(messages of a file, data records in each)."""
    whole = list(messages.split(path.read_bytes()))
    session = messages.Session()
    records = []
    for one in whole:
        before = session.data_records
        session.message(one)
        records.append(session.data_records - before)
    return whole, records


def test_a_message_that_is_lost_is_missed_by_exactly_its_records(parshall, scratch):
    read(parshall, OFFICE, '-o', scratch / 'x.ipfix')
    whole, records = messages_of(scratch / 'x.ipfix')
    lost = next(number for number in range(1, len(whole) - 1) if records[number])
    collect = Collect(parshall, scratch, f'udp://127.0.0.1:{harness.free_port()}', '--check', '--json')
    send(collect.port, *(one for number, one in enumerate(whole) if number != lost))
    verdict, = collect.end(expect=1)
    assert rules(verdict) == {'sequence_gap'} and verdict['recordsMissing'] == records[lost], verdict


def test_sequence_numbers_that_wrap_at_2_32_hide_no_loss_and_make_none(parshall, scratch):
    """Our exporter's messages, moved so that their numbers wrap in the middle of a message, of which one may be lost."""
    pcap, _ = make_traffic(scratch, 1000)
    config = scratch / 'sink.yaml'
    sink = DatagramSink()
    config.write_text(f'exporting: {{options_records: true, collectors: ["udp://127.0.0.1:{sink.port}"]}}\n', encoding='ascii')
    read(parshall, pcap, '-c', config)
    whole = sink.end()
    numbers = [int.from_bytes(one[8:12], 'big') for one in whole]
    middle = len(whole) // 2
    first = 2**32 - numbers[middle] - 1  # the message in the middle has number 2^32 - 1 and more than one record
    moved = [one[:8] + struct.pack('!I', (first + number) % 2**32) + one[12:] for one, number in zip(whole, numbers)]
    assert numbers[middle + 1] - numbers[middle] > 1
    for lost in (None, middle - 1, middle, middle + 1):
        collect = Collect(parshall, scratch, f'udp://127.0.0.1:{harness.free_port()}', '--check', '--json')
        send(collect.port, *(one for number, one in enumerate(moved) if number != lost))
        verdict, = collect.end(expect=0 if lost is None else 1)
        gap = numbers[lost + 1] - numbers[lost] if lost else 0
        assert verdict['recordsMissing'] == gap and rules(verdict) == ({'sequence_gap'} if lost else set()), (lost, verdict)


def test_what_is_not_ipfix_and_what_waits_is_said_in_words(parshall, scratch):
    collect = Collect(parshall, scratch, f'udp://127.0.0.1:{harness.free_port()}')
    send(collect.port, struct.pack('!HHIIII', 9, 0, 0, 0, 0, 0), message((256, b'\0\0\0\1')))
    wait_until(lambda: 'wait for a template' in collect.said(), 'the waiting data is told')
    collect.end()
    assert 'this is NetFlow v9, not IPFIX' in collect.said()
    assert 'data sets for template 256 of domain 1 wait for a template' in collect.said()
    assert 'the template never came' in collect.said()
    collect = Collect(parshall, scratch, f'tcp://127.0.0.1:{harness.free_port()}')
    with socket.create_connection(('127.0.0.1', collect.port)) as exporter:
        exporter.sendall(b'GET / HTTP/1.0\r\n\r\n')
        exporter.settimeout(5)
        try:
            assert exporter.recv(10) == b'', 'the collector closes what it cannot follow'
        except ConnectionResetError:
            pass
    collect.end()
    assert 'closed here: what comes cannot be followed' in collect.said()


def test_fragments_are_noticed(parshall, scratch):
    if os.geteuid() != 0:
        raise Skip('needs root: a network namespace with a small MTU')
    big = message((2, GROUND), (256, b'\0\0\0\1' * 600))
    script = f'''import socket, subprocess, sys
subprocess.run(['ip', 'link', 'set', 'lo', 'mtu', '1280', 'up'], check=True)
collect = subprocess.Popen([{parshall!r}, 'collect', 'udp://127.0.0.1:4739', '--check', '--json', '--messages', '1'],
                           stderr=subprocess.PIPE, text=True)
while 'port' not in collect.stderr.readline():
    pass
exporter = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
exporter.setsockopt(socket.IPPROTO_IP, 10, 0)  # IP_MTU_DISCOVER: DF off
exporter.sendto(bytes.fromhex('{big.hex()}'), ('127.0.0.1', 4739))
sys.exit(collect.wait(10))
'''
    done = subprocess.run([tool('unshare'), '-n', sys.executable, '-c', script], capture_output=True, text=True, check=False,
                          timeout=30)
    assert done.returncode == 1, done.stderr
    verdict = json.loads(done.stdout)
    found = [finding for finding in verdict['findings'] if finding['rule'] == 'ip_fragments']
    assert found and 'IP fragments' in found[0]['what'] and verdict['flowRecords'] == 600, verdict


def datagrams_of(scratch, start):
    """What a foreign exporter sends over UDP."""
    sink = DatagramSink()
    start(sink.port)
    return sink.end()


def judged(parshall, scratch, datagrams):
    """(our verdict, tshark's complaints)."""
    collect = Collect(parshall, scratch, f'udp://127.0.0.1:{harness.free_port()}', '--check', '--json')
    send(collect.port, *datagrams)
    settled(lambda: collect.out.stat().st_size, 0.3)
    collect.process.send_signal(signal.SIGTERM)
    collect.process.wait(10)
    verdict, = collect.lines()
    write_pcap(scratch / 'foreign.pcap', datagrams)
    return verdict, Tshark(scratch / 'foreign.pcap').complaints()


def test_softflowd_s_sequence_numbers_are_wrong_and_tshark_says_so_too(parshall, scratch):
    def start(port):
        subprocess.run([tool('softflowd'), '-r', OFFICE, '-n', f'127.0.0.1:{port}', '-v', '10', '-d', '-6', '-p', scratch / 'pid',
                        '-c', 'none'], stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=30)
    verdict, complaints = judged(parshall, scratch, datagrams_of(scratch, start))
    wrong = sum(finding['times'] for finding in verdict['findings'] if finding['rule'].startswith('sequence_'))
    assert rules(verdict) <= {'sequence_gap', 'sequence_back', 'sequence_repeated'} and wrong, verdict
    assert len([line for line in complaints if 'Unexpected flow sequence' in line]) >= wrong, complaints
    assert verdict['flowRecords'] > 42 and verdict['optionsRecords'] == 1, verdict


def test_pmacct_s_nfprobe_keeps_every_rule(parshall, scratch):
    def start(port):
        config = scratch / 'pmacctd.conf'
        config.write_text(f'pcap_savefile: {OFFICE}\nplugins: nfprobe\naggregate: src_host,dst_host,src_port,dst_port,proto,tos\n'
                          f'nfprobe_receiver: 127.0.0.1:{port}\nnfprobe_version: 10\nnfprobe_timeouts: maxlife=3\n', encoding='utf-8')
        probe = Background(tool('pmacctd'), '-f', config, log=scratch / 'pmacctd.log')
        wait_until(lambda: 'OK, Exiting' in probe.text() or probe.process.poll() is not None, 'the capture is read', 30)
        probe.end()
    verdict, complaints = judged(parshall, scratch, datagrams_of(scratch, start))
    assert not rules(verdict) and verdict['flowRecords'] > 42, verdict
    assert not complaints, complaints


if __name__ == '__main__':
    harness.main(globals())

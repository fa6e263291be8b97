# SPDX-License-Identifier: BSD-3-Clause
"""IPFIX over DTLS 1.2 to `openssl s_server`, whose plaintext the strict reader takes; and all that can be wrong with either side."""
import contextlib
import functools
import os
import signal
import socket
import subprocess
import threading

import harness
import ledger
import messages
import tls_test
from collectors import Tshark, free_port, write_pcap
from harness import CAPTURES, Run, read, tool, wait_until
from tls_test import Authority, sink_of

OFFICE = CAPTURES / 'office.pcap'


config = functools.partial(tls_test.config, scheme='dtls')


@contextlib.contextmanager
def s_server(scratch, theirs, ca, *words, family='-4'):
    """openssl s_server over DTLS 1.2 that wants our certificate; its plaintext goes to the file given."""
    port, out = free_port(), scratch / 's_server.out'
    with out.open('wb') as plaintext, (scratch / 's_server.log').open('wb') as log:
        # its standard input stays open: at its end s_server hangs up
        with subprocess.Popen([tool('openssl'), 's_server', '-dtls1_2', family, '-port', str(port), '-cert', theirs[0],
                               '-key', theirs[1], '-CAfile', ca, '-Verify', '1', '-verify_return_error', '-quiet', '-mtu', '1400', *words],
                              stdin=subprocess.PIPE, stdout=plaintext, stderr=log) as server:
            wait_until(lambda: bound(port, server.pid), 's_server listens')
            yield port, out
            server.send_signal(signal.SIGKILL)


def bound(port, pid):
    """Whether this process has a UDP socket on the port."""
    inodes = set()
    for table in ('udp', 'udp6'):
        with open(f'/proc/net/{table}', encoding='ascii') as lines:
            inodes |= {line.split()[9] for line in lines if f':{port:04X} ' in line}
    with contextlib.suppress(OSError):
        return any(os.readlink(f'/proc/{pid}/fd/{fd}') == f'socket:[{inode}]' for fd in os.listdir(f'/proc/{pid}/fd') for inode in inodes)
    return False


def test_s_server_gets_messages_that_are_strictly_right(parshall, scratch):
    authority = Authority(scratch)
    theirs, ours = authority.sign('collector', 'DNS:localhost,IP:127.0.0.1,IP:::1'), authority.sign('probe')
    wanted = len(read(parshall, OFFICE, '-o', 'json').records())
    for host, family in (('127.0.0.1', '-4'), ('[::1]', '-6')):
        if family == '-6' and not socket.has_ipv6:
            continue
        with s_server(scratch, theirs, authority.pem, family=family) as (port, out):
            run = read(parshall, OFFICE, '--config', config(scratch, port, authority.pem, *ours, host=host))
            ledger.check_nothing_lost(run.stderr)
            sink = sink_of(run)
            wait_until(lambda f=out, s=sink: f.stat().st_size >= s['messageOctets'], 's_server has written it all')
        session = messages.read(messages.split(out.read_bytes()))
        assert session.data_records == wanted + sink['optionsRecords'] and sink['sent']['records'] == wanted, sink
        assert 'DTLSv1.2, the collector is who it should be' in run.stderr, run.stderr
        # a datagram of an Ethernet frame at most: a record of DTLS adds 37 octets or so
        assert max(len(message) for message in messages.split(out.read_bytes())) <= 1500 - 28 - 29
    write_pcap(scratch / 'plain.pcap', list(messages.split(out.read_bytes())))
    judge = Tshark(scratch / 'plain.pcap')
    assert not judge.complaints() and len(judge.column('cflow.version')) == sink['messages']


def test_nothing_is_exported_to_a_collector_that_is_not_who_it_should_be(parshall, scratch):
    authority = Authority(scratch)
    ours = authority.sign('probe')
    for certificate, reason in tls_test.wrong_certificates(scratch, authority):
        with s_server(scratch, certificate, authority.pem) as (port, out):
            run = read(parshall, OFFICE, '--config', config(scratch, port, authority.pem, *ours))
        assert tls_test.check_refused(run, reason)['sendErrors']['handshake'] >= 1, run.stderr
        assert out.stat().st_size == 0


def test_a_collector_that_refuses_our_certificate_has_got_nothing(parshall, scratch):
    authority = Authority(scratch)
    (scratch / 'other').mkdir()
    theirs = authority.sign('collector', 'DNS:localhost')
    ours = Authority(scratch / 'other', 'stranger').sign('probe')
    with s_server(scratch, theirs, authority.pem) as (port, out):
        sink = sink_of(read(parshall, OFFICE, '--config', config(scratch, port, authority.pem, *ours)))
    assert sink['sent']['records'] == 0 and sink['sendErrors']['handshake'] >= 1, sink
    assert out.stat().st_size == 0


def test_a_plain_collector_gets_nothing_readable(parshall, scratch):
    authority = Authority(scratch)
    got = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        plain.bind(('127.0.0.1', 0))
        plain.settimeout(10)

        def talk():
            with contextlib.suppress(OSError):
                while True:
                    octets, peer = plain.recvfrom(65536)
                    got.append(octets)
                    plain.sendto(b'hello', peer)
        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        run = read(parshall, OFFICE, '--config', config(scratch, plain.getsockname()[1], authority.pem, *authority.sign('probe')))
    sink = sink_of(run)
    assert sink['sent']['records'] == 0 and sink['messages'] == 0, sink
    assert got and all(octets[:3] == b'\x16\xfe\xff' or octets[:3] == b'\x16\xfe\xfd' for octets in got), 'only client hellos'


def test_messages_keep_to_the_payload_asked_for(parshall, scratch):
    authority = Authority(scratch)
    theirs, ours = authority.sign('collector', 'DNS:localhost'), authority.sign('probe')
    with s_server(scratch, theirs, authority.pem) as (port, out):
        run = read(parshall, OFFICE, '--config', config(scratch, port, authority.pem, *ours, exporting='  udp_payload: 600\n'))
        ledger.check_nothing_lost(run.stderr)
        sink = sink_of(run)
        wait_until(lambda: out.stat().st_size >= sink['messageOctets'], 's_server has written it all')
    sizes = [len(message) for message in messages.split(out.read_bytes())]
    assert 500 < max(sizes) <= 600 - 13 - 16, sizes


def test_credentials_are_those_of_tls(parshall, scratch):
    run = Run(parshall, 'read', OFFICE, '-o', 'dtls://localhost', expect=1)
    assert 'TLS needs a certificate on both sides' in run.stderr, run.stderr


if __name__ == '__main__':
    harness.main(globals())

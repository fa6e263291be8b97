# SPDX-License-Identifier: BSD-3-Clause
"""IPFIX over TLS: certificates made for the occasion, a collector that wants ours, and all that can be wrong with either."""
import socket
import ssl
import subprocess
import threading

import harness
import ledger
import messages
from collectors import free_port
from harness import CAPTURES, Run, read, tool, wait_until

OFFICE = CAPTURES / 'office.pcap'


class Authority:
    """A certificate authority and what it signs, by the openssl program."""

    def __init__(self, folder, name='authority'):
        self.folder, self.name = folder, name
        self.run('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30', '-subj',
                 f'/CN={name}', '-keyout', f'{name}.key', '-out', f'{name}.pem')
        self.pem = folder / f'{name}.pem'

    def run(self, *words):
        subprocess.run([tool('openssl'), *map(str, words)], cwd=self.folder, check=True, capture_output=True)

    def sign(self, name, alternative='', days=20):
        """(certificate, key). Without `days` it has expired."""
        self.run('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', f'/CN={name}', '-keyout',
                 f'{name}.key', '-out', f'{name}.csr')
        extensions = self.folder / f'{name}.ext'
        extensions.write_text(f'subjectAltName={alternative}\n' if alternative else 'basicConstraints=CA:FALSE\n', encoding='ascii')
        validity = ['-days', str(days)] if days else ['-days', '-1']
        self.run('x509', '-req', '-in', f'{name}.csr', '-CA', f'{self.name}.pem', '-CAkey', f'{self.name}.key',
                 '-CAcreateserial', *validity, '-extfile', extensions, '-out', f'{name}.pem')
        (self.folder / f'{name}.key').chmod(0o600)
        return self.folder / f'{name}.pem', self.folder / f'{name}.key'


class TlsCollector:
    """Takes TLS connections one after the other; what each sent is in streams, why one failed in refusals."""

    def __init__(self, certificate, key, authority, versions=(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3), tickets=True):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.context.load_verify_locations(authority)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.minimum_version, self.context.maximum_version = versions
        if not tickets:
            self.context.num_tickets = 0
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.streams, self.refusals, self.versions = [], [], []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(connection, server_side=True) as secure:
                    self.versions.append(secure.version())
                    octets = b''
                    while block := secure.recv(65536):
                        octets += block
                    self.streams.append(octets)
            except OSError as why:
                self.refusals.append(str(why))

    def end(self):
        self.listener.close()


def config(scratch, port, ca, certificate, key, scheme='tls', host='localhost', more='', exporting=''):
    path = scratch / f'{scheme}.yaml'
    path.write_text(f'exporting:\n  options_records: true\n  shutdown: 2s\n  reconnect_min: 200ms\n  reconnect_max: 200ms\n'
                    f'{exporting}  collectors:\n    - url: "{scheme}://{host}:{port}"\n'
                    f'      tls: {{ca: "{ca}", certificate: "{certificate}", key: "{key}"{more}}}\n', encoding='utf-8')
    return path


def wrong_certificates(scratch, authority):
    """Of collectors that are not who they should be, and what is said of each."""
    (scratch / 'other').mkdir()
    stranger = Authority(scratch / 'other', 'stranger')
    return ((authority.sign('wrongname', 'DNS:elsewhere.example'), 'hostname mismatch'),
            (stranger.sign('unknown', 'DNS:localhost'), 'unable to get local issuer certificate'),
            (authority.sign('old', 'DNS:localhost', days=0), 'certificate has expired'))


def check_refused(run, reason):
    """Nothing left, and why was said once; the sink."""
    sink = sink_of(run)
    assert run.stderr.count(reason) == 1, run.stderr
    assert sink['sent']['records'] == 0 and sink['messages'] == 0, sink
    assert sink['lost']['shutdown']['records'] == sink['offered']['records'] > 0
    return sink


def sink_of(run):
    return run.ledger()['collectors'][0]


def test_everything_arrives_over_tls_1_2_and_1_3_and_without_tickets(parshall, scratch):
    authority = Authority(scratch)
    theirs, ours = authority.sign('collector', 'DNS:localhost'), authority.sign('probe')
    wanted = len(read(parshall, OFFICE, '-o', 'json').records())
    for version, tickets in ((ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True), (ssl.TLSVersion.TLSv1_3, False)):
        collector = TlsCollector(*theirs, authority.pem, (version, version), tickets)
        run = read(parshall, OFFICE, '--config', config(scratch, collector.port, authority.pem, *ours))
        ledger.check_nothing_lost(run.stderr)
        wait_until(lambda c=collector: c.streams, 'the stream has ended in order')
        session = messages.read(messages.split(collector.streams[0]))
        sink = sink_of(run)
        assert session.data_records == wanted + sink['optionsRecords'] and sink['sent']['records'] == wanted
        assert len(collector.streams) == 1 and not collector.refusals
        assert 'the collector is who it should be' in run.stderr and collector.versions[0] in run.stderr
        collector.end()


def test_a_collector_by_address_or_by_another_name(parshall, scratch):
    authority = Authority(scratch)
    ours = authority.sign('probe')
    by_address = TlsCollector(*authority.sign('address', 'IP:127.0.0.1'), authority.pem)
    ledger.check_nothing_lost(read(parshall, OFFICE, '--config', config(
        scratch, by_address.port, authority.pem, *ours, host='127.0.0.1')).stderr)
    named = TlsCollector(*authority.sign('named', 'DNS:flows.example'), authority.pem)
    ledger.check_nothing_lost(read(parshall, OFFICE, '--config', config(
        scratch, named.port, authority.pem, *ours, host='127.0.0.1', more=', name: flows.example')).stderr)


def test_nothing_is_exported_to_a_collector_that_is_not_who_it_should_be(parshall, scratch):
    authority = Authority(scratch)
    ours = authority.sign('probe')
    for certificate, reason in wrong_certificates(scratch, authority):
        collector = TlsCollector(*certificate, authority.pem)
        sink = check_refused(read(parshall, OFFICE, '--config', config(scratch, collector.port, authority.pem, *ours)), reason)
        assert sink['sendErrors']['handshake'] > 1, sink
        assert not collector.streams and collector.refusals
        collector.end()


def test_a_collector_that_refuses_our_certificate_has_got_nothing(parshall, scratch):
    authority = Authority(scratch)
    (scratch / 'other').mkdir()
    theirs = authority.sign('collector', 'DNS:localhost')
    ours = Authority(scratch / 'other', 'stranger').sign('probe')
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        collector = TlsCollector(*theirs, authority.pem, (version, version))
        sink = sink_of(read(parshall, OFFICE, '--config', config(scratch, collector.port, authority.pem, *ours)))
        # TLS 1.3: the refusal comes after the handshake; what was sent by then is lost, not sent
        assert sink['sent']['records'] == 0, sink
        assert sum(lost['records'] for lost in sink['lost'].values()) == sink['offered']['records'] > 0
        assert collector.refusals and not collector.streams
        collector.end()


def test_a_server_without_tls_gets_nothing_readable(parshall, scratch):
    authority = Authority(scratch)
    plain = socket.create_server(('127.0.0.1', 0))
    got = []

    def talk():
        while True:
            try:
                connection, _ = plain.accept()
                connection.sendall(b'220 hello\r\n')
                got.append(connection.recv(4096))
                connection.close()
            except OSError:
                return
    threading.Thread(target=talk, daemon=True).start()
    run = read(parshall, OFFICE, '--config', config(scratch, plain.getsockname()[1], authority.pem, *authority.sign('probe')))
    sink = sink_of(run)
    assert sink['sendErrors']['handshake'] > 0 and sink['sent']['records'] == 0, sink
    assert 'TLS fails' in run.stderr, run.stderr
    assert got and all(octets[:1] == b'\x16' for octets in got), 'only client hellos'
    plain.close()


def test_openssl_s_server_gets_a_stream_that_is_strictly_right(parshall, scratch):
    authority = Authority(scratch)
    theirs, ours = authority.sign('collector', 'DNS:localhost'), authority.sign('probe')
    port = free_port()
    log = scratch / 's_server.out'
    # its standard input stays open: at its end s_server hangs up
    with log.open('wb') as out, subprocess.Popen(
            [tool('openssl'), 's_server', '-accept', f'127.0.0.1:{port}', '-cert', theirs[0], '-key', theirs[1], '-CAfile',
             authority.pem, '-Verify', '1', '-verify_return_error', '-quiet', '-naccept', '1'],
            stdin=subprocess.PIPE, stdout=out, stderr=subprocess.DEVNULL) as server:
        wait_until(lambda: listens(port), 's_server listens')
        ledger.check_nothing_lost(read(parshall, OFFICE, '--config', config(scratch, port, authority.pem, *ours)).stderr)
        server.wait(10)
    assert messages.read(messages.split(log.read_bytes())).data_records > 42


def listens(port):
    with open('/proc/net/tcp', encoding='ascii') as lines:
        return any(f':{port:04X} ' in line and ' 0A ' in line for line in lines)


def test_credentials_that_cannot_work_end_the_start(parshall, scratch):
    authority = Authority(scratch)
    certificate, key = authority.sign('probe')
    old, old_key = authority.sign('old', days=0)
    _, other_key = authority.sign('other')
    open_key = scratch / 'open.key'
    open_key.write_bytes(key.read_bytes())
    open_key.chmod(0o640)
    for words, sentence in (((scratch / 'none.pem', certificate, key), 'certificate authority'),
                            ((authority.pem, scratch / 'none.pem', key), 'cannot be used'),
                            ((authority.pem, certificate, scratch / 'none.key'), 'cannot be read: No such file'),
                            ((authority.pem, certificate, open_key), 'run: chmod 600'),
                            ((authority.pem, certificate, other_key), 'is not that of'),
                            ((authority.pem, old, old_key), 'has expired')):
        run = Run(parshall, 'read', OFFICE, '--config', config(scratch, 4740, *words), expect=1)
        assert sentence in run.stderr, f'{words}: {run.stderr}'
    run = Run(parshall, 'read', OFFICE, '-o', 'tls://localhost', expect=1)
    assert 'TLS needs a certificate on both sides' in run.stderr, run.stderr


if __name__ == '__main__':
    harness.main(globals())

# SPDX-License-Identifier: BSD-3-Clause
"""Foreign collectors and decoders: tshark, nfcapd, nfacctd, libfixbuf; and a plain socket that keeps every octet."""
import json
import os
import signal
import socket
import struct
import subprocess
import threading
from pathlib import Path

from harness import Background, Skip, free_port, listening, settled, tool, wait_until

IPFIX_PORT = 4739


class DatagramSink:
    """A UDP collector that keeps every datagram."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        self.socket.bind(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        self.datagrams = []
        self.mark = None
        self.thread = threading.Thread(target=self.collect, daemon=True)
        self.thread.start()

    def collect(self):
        while True:
            datagram, sender = self.socket.recvfrom(65535)
            if sender == self.mark:
                return
            self.datagrams.append(datagram)

    def end(self) -> list:
        """What came until now: of an exporter that has ended, everything. A datagram of our own stands behind it in the queue."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mark:
            mark.bind(('127.0.0.1', 0))
            self.mark = mark.getsockname()
            while self.thread.is_alive():  # a full queue takes none
                mark.sendto(b'', ('127.0.0.1', self.port))
                self.thread.join(0.1)
        self.socket.close()
        return self.datagrams


class StreamSink:
    """A TCP collector that keeps the octets of every connection."""

    def __init__(self):
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        self.connections, self.threads = [], []
        self.mark = None
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            connection, exporter = self.socket.accept()
            if exporter == self.mark:
                return
            octets = bytearray()
            self.connections.append(octets)
            self.threads.append(threading.Thread(target=self.collect, args=(connection, octets), daemon=True))
            self.threads[-1].start()

    @staticmethod
    def collect(connection, octets):
        with connection:
            while part := connection.recv(1 << 16):
                octets += part

    def end(self) -> list:
        """Of each connection until now what came to its end. A connection of our own stands behind them in the queue."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as mark:
            mark.bind(('127.0.0.1', 0))
            self.mark = mark.getsockname()
            mark.connect(('127.0.0.1', self.port))
            for thread in (self.thread, *self.threads):
                thread.join(10)
                assert not thread.is_alive(), 'the exporter has not closed its connection'
        self.socket.close()
        return [bytes(octets) for octets in self.connections]


def write_pcap(path: Path, datagrams: list) -> None:
    """The datagrams as packets from one exporter to port 4739, raw IPv4."""
    with open(path, 'wb') as out:
        out.write(struct.pack('<IHHiIII', 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for number, datagram in enumerate(datagrams):
            header = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 28 + len(datagram), number & 0xFFFF, 0x4000, 64, 17, 0,
                                 bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2)))
            packet = header + struct.pack('!HHHH', 40000, IPFIX_PORT, 8 + len(datagram), 0) + datagram
            out.write(struct.pack('<IIII', 1_700_000_000 + number // 1000, number % 1000, len(packet), len(packet)) + packet)


class Tshark:
    """What tshark makes of a capture or an IPFIX file: complaints (expert items), messages, flows."""

    OPTIONS = ('-d', f'udp.port=={IPFIX_PORT},cflow')

    def __init__(self, path: Path):
        self.path = str(path)

    def run(self, *words) -> str:
        done = subprocess.run([tool('tshark'), '-r', self.path, *self.OPTIONS, *words], capture_output=True, text=True,
                              check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def complaints(self) -> list:
        """Messages of severity warning and error, and of dissectors that gave up."""
        lines = self.run('-2', '-Y', '_ws.expert.severity >= "Warning" || _ws.malformed', '-T', 'fields', '-e', 'frame.number',
                         '-e', '_ws.expert.message').splitlines()
        return [line for line in lines if line.strip()]

    def column(self, field: str) -> list:
        """All values of a field, over all records."""
        lines = self.run('-Y', 'cflow', '-T', 'fields', '-E', 'occurrence=a', '-E', 'aggregator=,', '-e', field)
        return [value for line in lines.splitlines() for value in line.split(',') if value]


class Nfcapd:
    """nfdump's collector over UDP."""

    def __init__(self, scratch: Path, prefix=(), address='127.0.0.1', port=None):
        self.folder = scratch / 'nfcapd'
        self.folder.mkdir()
        self.port = port or free_port()
        options = ['-6'] if ':' in address else ['-4']
        self.process = Background(*prefix, tool('nfcapd'), *options, '-w', self.folder, '-p', self.port, '-t', 3600,
                                  '-B', 64 << 20, log=scratch / 'nfcapd.log')
        wait_until(lambda: listening(self.port, 'udp', prefix), f'nfcapd listens: {self.process.text()}')

    def end(self) -> list:
        """Records as nfdump writes them."""
        settled(lambda: sum(file.stat().st_size for file in self.folder.iterdir()), 0.5)
        self.process.end()
        log = self.process.text()
        assert 'Sequence Errors: 0, Bad Packets: 0' in log, f'nfcapd complains:\n{log[-2000:]}'
        done = subprocess.run([tool('nfdump'), '-R', str(self.folder), '-o', 'json'], capture_output=True, text=True,
                              check=True, env={**os.environ, 'TZ': 'UTC'}, timeout=120)
        text = done.stdout
        return [record for record in json.loads(text[text.index('['):]) if record['type'] == 'FLOW']


class FixbufListener:
    """tests/support/fixbuf_listener, a collector on libfixbuf."""

    def __init__(self, kind: str, scratch: Path, prefix=(), port=None, idle=30):
        listener = os.environ.get('FIXBUF_LISTENER')
        if not listener:
            raise Skip('libfixbuf was not there when this was configured: scripts/install_dependencies --test')
        self.out = scratch / f'fixbuf-{kind}.json'
        self.port = port or free_port()
        self.process = Background(*prefix, listener, kind, self.port, self.out, '--idle', idle,
                                  log=scratch / f'fixbuf-{kind}.log')
        wait_until(lambda: listening(self.port, kind, prefix), f'fixbuf_listener listens: {self.process.text()}')

    def end(self) -> tuple:
        """(totals, records)"""
        settled(lambda: self.out.stat().st_size, 0.3)
        status = self.process.end()
        assert status == 0, f'libfixbuf complains:\n{self.process.text()[-2000:]}'
        totals = json.loads(self.process.text().splitlines()[-1])
        return totals, [json.loads(line) for line in self.out.read_text('utf-8').splitlines()]


class Nfacctd:
    """pmacct's collector over UDP; its print plugin writes the sums of each key."""

    def __init__(self, scratch: Path):
        self.port, self.out = free_port(), scratch / 'nfacctd.json'
        config = scratch / 'nfacctd.conf'
        config.write_text(f'''daemonize: false
nfacctd_ip: 127.0.0.1
nfacctd_port: {self.port}
nfacctd_pipe_size: 67108864
plugin_pipe_size: 67108864
plugin_buffer_size: 65536
plugins: print
print_output: json
print_output_file: {self.out}
print_refresh_time: 3600
print_cache_entries: 65537
aggregate: src_host, dst_host, src_port, dst_port, proto
''')
        self.process = Background(tool('nfacctd'), '-f', config, log=scratch / 'nfacctd.log')
        wait_until(lambda: listening(self.port, 'udp'), 'nfacctd listens')
        settled(self.plugin_cpu, 0.5)

    def plugin_cpu(self) -> int:
        """Ticks of its plugin, which clears its cache first: a signal during that ends it with nothing written."""
        pid = self.process.process.pid
        ticks = 0
        for child in Path(f'/proc/{pid}/task/{pid}/children').read_text('ascii').split():
            fields = Path(f'/proc/{child}/stat').read_text('ascii').rsplit(')', 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks

    def end(self) -> list:
        settled(self.plugin_cpu, 0.5)
        self.process.end(signal.SIGINT)
        # Its plugin writes after the core process has ended.
        wait_until(lambda: self.out.exists() and self.out.stat().st_size > 0, f'nfacctd writes: {self.process.text()[-2000:]}')
        settled(lambda: self.out.stat().st_size, 0.5)
        return [json.loads(line) for line in self.out.read_text('utf-8').splitlines() if line.startswith('{')]

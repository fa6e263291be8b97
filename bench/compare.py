#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Reads the same generated captures with parshall and with every other probe that is installed.

    bench/compare.py [--build DIR] [--quick | --smoke] [--runs N] [--packets N] [--results DIR] [--only PROBE]

64-octet IPv4/TCP packets over 1 k, 100 k and 1 M flows in random order; the file is in the page cache; every probe
runs on one CPU and exports as it usually does (a file, or NetFlow v5 to a UDP socket on another CPU). Shown: wall and
CPU time a packet, peak memory, and whether the exported records add up: all packets and one record a flow ("yes"), all
packets in more or fewer records ("packets"), or not ("no"). A probe that sleeps has more wall than CPU time. Probes
that are not installed are skipped; scripts/install_dependencies --bench installs those that Debian has.
"""
import argparse
import csv
import datetime
import glob
import json
import multiprocessing
import os
import platform
import re
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

NETFLOW5_HEADER, NETFLOW5_RECORD, NETFLOW5_PACKETS_AT = 24, 48, 16


def collect_netflow5(pipe, cpu: int) -> None:
    """A process of its own: keeps every datagram until it is asked for the sums."""
    os.sched_setaffinity(0, {cpu})
    taker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    force = getattr(socket, 'SO_RCVBUFFORCE', 33)
    try:
        taker.setsockopt(socket.SOL_SOCKET, force, 512 << 20)
    except PermissionError:
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
    taker.bind(('127.0.0.1', 0))
    taker.settimeout(0.2)
    pipe.send(taker.getsockname()[1])
    datagrams = []
    while True:
        try:
            datagrams.append(taker.recv(65536))
        except socket.timeout:
            if pipe.poll():
                break
    records = packets = 0
    for datagram in datagrams:
        for at in range(NETFLOW5_HEADER, len(datagram) - NETFLOW5_RECORD + 1, NETFLOW5_RECORD):
            records += 1
            packets += struct.unpack_from('>I', datagram, at + NETFLOW5_PACKETS_AT)[0]
    pipe.send((records, packets))


class Collector:
    def __init__(self, cpu: int):
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=collect_netflow5, args=(theirs, cpu), daemon=True)
        self.process.start()
        self.port = self.pipe.recv()

    def sums(self) -> tuple:
        self.pipe.send('done')
        sums = self.pipe.recv()
        self.process.join()
        return sums


def output_of(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


class Probe:
    """One way to read a file: words() for the command line, sums() for (records, packets) of what it exported."""
    needs = ()
    collector = False
    stdin = False

    def __init__(self, build: str):
        self.build = build

    def installed(self) -> bool:
        return all(shutil.which(need, path=os.environ['PATH'] + ':/usr/sbin:/usr/local/sbin') for need in self.needs)


class Parshall(Probe):
    name = 'parshall'

    def installed(self) -> bool:
        return os.access(f'{self.build}/probe/parshall', os.X_OK)

    def words(self, trace, flows, folder, _port):
        return [f'{self.build}/probe/parshall', 'read', '-q', trace, '-o', f'{folder}/out.ipfix', '--flows-max',
                str(max(2 * flows, 1 << 20))]

    def sums(self, folder):
        records = packets = 0
        with subprocess.Popen([f'{self.build}/probe/parshall', 'show', '--json', f'{folder}/out.ipfix'],
                              stdout=subprocess.PIPE, text=True) as show:
            for line in show.stdout:
                record = json.loads(line)
                records += 1
                packets += record['packetDeltaCount'] + record['reversePacketDeltaCount']
        return records, packets


class Softflowd(Probe):
    name, needs, collector = 'softflowd', ('softflowd',), True

    def words(self, trace, flows, folder, port):
        return ['softflowd', '-r', trace, '-d', '-v', '5', '-m', str(2 * flows), '-n', f'127.0.0.1:{port}', '-p',
                f'{folder}/pid', '-c', 'none']  # with a control socket it may wait there for ever


class Fprobe(Probe):
    name, needs, collector, stdin = 'fprobe', ('fprobe',), True, True

    def words(self, trace, flows, folder, port):
        return ['fprobe', '-i', '-', '-l', '2', '-q', str(os.path.getsize(trace) // 76), f'127.0.0.1:{port}']


class Nfpcapd(Probe):
    name, needs = 'nfpcapd', ('nfpcapd', 'nfdump')

    def words(self, trace, flows, folder, _port):
        os.mkdir(f'{folder}/nf')
        return ['nfpcapd', '-r', trace, '-B', str(2 * flows + 1024), '-w' if self.wants_w() else '-l', f'{folder}/nf']

    @staticmethod
    def wants_w() -> bool:
        shown = subprocess.run(['nfpcapd', '-h'], capture_output=True, text=True, check=False)
        return '-w flowdir' in shown.stdout + shown.stderr

    def sums(self, folder):
        shown = output_of('nfdump', '-R', f'{folder}/nf', '-I')
        return tuple(int(re.search(rf'^{name}: (\d+)', shown, re.M)[1]) for name in ('Flows', 'Packets'))


class Pmacctd(Probe):
    name, needs = 'pmacctd', ('pmacctd',)

    def words(self, trace, flows, folder, _port):
        with open(f'{folder}/pmacctd.conf', 'w', encoding='utf-8') as config:
            config.write(f'''daemonize: false
pcap_savefile: {trace}
pidfile: {folder}/pid
plugins: print
aggregate: src_host, dst_host, src_port, dst_port, proto
print_output: csv
print_output_file: {folder}/out.csv
print_refresh_time: 3600
print_cache_entries: {min(2 * flows + 1, 131071)}
plugin_pipe_size: 268435456
plugin_buffer_size: 65536
''')
        return ['pmacctd', '-f', f'{folder}/pmacctd.conf']

    def sums(self, folder):
        records = packets = 0
        for path in glob.glob(f'{folder}/out.csv*'):
            with open(path, encoding='utf-8', newline='') as table:
                for row in csv.DictReader(table):
                    records += 1
                    packets += int(row['PACKETS'])
        return records, packets


class Argus(Probe):
    name, needs = 'argus', ('argus', 'ra')

    def words(self, trace, flows, folder, _port):
        return ['argus', '-r', trace, '-w', f'{folder}/out.argus']

    def sums(self, folder):
        counts = [int(line) for line in output_of('ra', '-r', f'{folder}/out.argus', '-n', '-c', ',', '-L', '-1', '-s',
                                                  'pkts', '-', 'tcp').split() if line.strip().isdigit()]
        return len(counts), sum(counts)


class Yaf(Probe):
    name, needs = 'yaf', ('yaf',)

    def words(self, trace, flows, folder, _port):
        return ['yaf', '--in', trace, '--out', f'{folder}/out.ipfix', '--max-flows', str(2 * flows), '--silent']

    def sums(self, folder):
        records = packets = 0
        for line in output_of(f'{self.build}/probe/parshall', 'show', '--json', f'{folder}/out.ipfix').splitlines():
            record = json.loads(line)
            if 'packetTotalCount' in record:
                records += 1
                packets += record['packetTotalCount'] + record.get('reversePacketTotalCount', 0)
        return records, packets


PROBES = (Parshall, Softflowd, Nfpcapd, Fprobe, Pmacctd, Argus, Yaf)


def peak_of(pid: int) -> int:
    """Peak memory in KB so far. (What wait4 says begins with the memory of this process, before exec.)"""
    try:
        with open(f'/proc/{pid}/status', encoding='utf-8') as status:
            found = re.search(r'^VmHWM:\s+(\d+) kB', status.read(), re.M)
            return int(found[1]) if found else 0
    except OSError:
        return 0


def timed(words: list, cpu: int, stdin, seconds_max: float) -> dict:
    """Runs a command on one CPU. Its children count when it waits for them."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(words, stdin=stdin or subprocess.DEVNULL, stdout=said, stderr=said,
                                 preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
                                 env={**os.environ, 'PATH': os.environ['PATH'] + ':/usr/sbin:/usr/local/sbin'})
        peak_kb = 0
        while True:
            peak_kb = max(peak_kb, peak_of(child.pid))
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() - began > seconds_max:
                child.kill()
                _, status, usage = os.wait4(child.pid, 0)
                break
            time.sleep(0.005)
        child.returncode = status
        wall = time.monotonic() - began
        said.seek(0)
        return {'wall': wall, 'cpu': usage.ru_utime + usage.ru_stime, 'rss_mb': peak_kb / 1024,
                'status': status, 'said': said.read()[-800:].decode(errors='replace')}


def run_once(probe: Probe, trace: str, flows: int, cpus: tuple, seconds_max: float) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        collector = Collector(cpus[0]) if probe.collector else None
        words = probe.words(trace, flows, folder, collector.port if collector else 0)
        stdin = open(trace, 'rb') if probe.stdin else None
        try:
            run = timed(words, cpus[1], stdin, seconds_max)
        finally:
            if stdin:
                stdin.close()
        try:
            run['records'], run['packets'] = collector.sums() if collector else probe.sums(folder)
        except (subprocess.CalledProcessError, OSError, TypeError, KeyError, ValueError) as error:
            print(f'compare: {probe.name}: no records to add up ({error}): {run["said"]}', file=sys.stderr)
            run['records'] = run['packets'] = 0
        run['command'] = ' '.join(words)
    return run


def machine() -> str:
    with open('/proc/cpuinfo', encoding='utf-8') as info:
        model = re.search(r'^model name\s*: (.*)$', info.read(), re.M)
    return f'{model[1] if model else platform.machine()}, {os.cpu_count()} CPUs'


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default='build-bench', help='where parshall and make_trace were built')
    parser.add_argument('--quick', action='store_true', help='400,000 packets, one run')
    parser.add_argument('--smoke', action='store_true', help='20,000 packets, 1 k flows, one run')
    parser.add_argument('--runs', type=int, default=0)
    parser.add_argument('--packets', type=int, default=0, help='4,000,000')
    parser.add_argument('--timeout', type=float, default=120, help='seconds a probe may take for one file')
    parser.add_argument('--results', default='', help='folder for compare.csv; without it, none')
    parser.add_argument('--only', action='append', default=[], help='a probe; may be repeated')
    return parser.parse_args()


def show(row: dict) -> None:
    print(f"{row['probe']:>10} {row['flows']:>8} flows  {row['wall_ns']:>8} ns wall  {row['cpu_ns']:>8} ns CPU "
          f"a packet  {row['peak_mb']:>6} MB  {row['records']:>8} records  {row['packets_exported']:>8} packets  "
          f"exact: {row['exact']}", flush=True)


def main() -> int:
    options = arguments()
    packets = options.packets or (20_000 if options.smoke else 400_000 if options.quick else 4_000_000)
    runs = options.runs or (1 if options.smoke or options.quick else 3)
    cpus = sorted(os.sched_getaffinity(0))
    cpus = (cpus[0], cpus[-1])
    os.sched_setaffinity(0, {cpus[0]})
    rows = []
    wrong = 0
    probes = [probe(options.build) for probe in PROBES if not options.only or probe.name in options.only]
    for probe in probes:
        if not probe.installed():
            print(f'{probe.name}: not installed, skipped')
    with tempfile.TemporaryDirectory(prefix='parshall-compare-') as folder:
        for flows in (1_000,) if options.smoke else (1_000, 100_000, 1_000_000):
            count = max(packets, 2 * flows)
            trace = f'{folder}/trace.pcap'
            subprocess.run([f'{options.build}/bench/make_trace', trace, str(flows), str(count)], check=True)
            with open(trace, 'rb') as file:  # into the page cache
                while file.read(1 << 24):
                    pass
            for probe in probes:
                if not probe.installed():
                    continue
                results = [run_once(probe, trace, flows, cpus, options.timeout) for _ in range(runs)]
                last = results[-1]
                exact = 'yes' if all(r['records'] == flows and r['packets'] == count for r in results) else \
                    'packets' if all(r['packets'] == count for r in results) else 'no'
                if exact == 'no':
                    print(f'compare: {probe.name} ended with status {last["status"]} and said: {last["said"][-300:]}',
                          file=sys.stderr)
                wrong += probe.name == 'parshall' and exact != 'yes'
                rows.append({
                    'probe': probe.name, 'flows': flows, 'packets': count,
                    'wall_ns': f"{statistics.median(r['wall'] for r in results) / count * 1e9:.0f}",
                    'cpu_ns': f"{statistics.median(r['cpu'] for r in results) / count * 1e9:.0f}",
                    'peak_mb': f"{max(r['rss_mb'] for r in results):.0f}", 'records': last['records'],
                    'packets_exported': last['packets'], 'exact': exact, 'runs': runs,
                    'machine': machine(), 'commit': os.environ.get('PARSHALL_COMMIT', 'unknown'),
                    'date': f'{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%dT%H:%M:%SZ}',
                    'command': re.sub(r'/\S*/', '', last['command'])})
                show(rows[-1])
            os.unlink(trace)
    if options.results and rows:
        os.makedirs(options.results, exist_ok=True)
        with open(f'{options.results}/compare.csv', 'w', encoding='utf-8', newline='') as file:
            writer = csv.DictWriter(file, fieldnames=rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())

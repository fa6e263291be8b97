# SPDX-License-Identifier: BSD-3-Clause
"""What the live tests share: `parshall run` in a namespace, traffic on the wire, hugepages."""
import fcntl
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import harness
import ledger
from harness import Background, Skip, tool, wait_until

CPUS = sorted(os.sched_getaffinity(0))
COLLECTOR = '198.18.0.2'
# More frames than any test sends to a queue: the kernel has no reason to drop.
AF_PACKET = 'net_af_packet0,iface=p0,qpairs={queues},blocksz=4194304,framesz=2048,framecnt=131072'
LONG = 'timeouts: {idle: 600s, active: 600s, tcp_end: "off"}'


def inside(name: str) -> list:
    """The prefix that runs a command in the namespace wire, probe or collector."""
    namespace = os.environ.get(f'NETNS_{name.upper()}')
    if not namespace:
        raise Skip('run it by in_namespaces.sh')
    if os.environ.get('NETNS_PLAIN'):  # in a chroot, see netns.sh
        return ['nsenter', f'--net=/run/netns/{namespace}', '--']
    return ['ip', 'netns', 'exec', namespace]


def lcores(count: int) -> str:
    """EAL's --lcores for so many threads on the CPUs we may use, several on one CPU where they do not suffice."""
    return ','.join(f'{n}@{CPUS[n % len(CPUS)]}' for n in range(count))


def make_traffic(folder: Path, flows: int, seed=1, *more) -> tuple:
    pcap, truth = folder / f'traffic{seed}.pcap', folder / f'truth{seed}.csv'
    subprocess.run([harness.ROOT / 'tests/support/traffic.py', '--flows', str(flows), '--seed', str(seed), '--pcap', pcap,
                    '--truth', truth, *map(str, more)], check=True, capture_output=True)
    return pcap, truth


def packets_in(pcap: Path) -> int:
    data, at, count = pcap.read_bytes(), 24, 0
    while at < len(data):
        at += 16 + int.from_bytes(data[at + 8:at + 12], 'little')
        count += 1
    return count


def send(pcap: Path, *speed, interface='w0', where='wire') -> None:
    """tcpreplay; returns when everything is sent."""
    done = subprocess.run([*inside(where), tool('tcpreplay'), '--quiet', '-i', interface, *(speed or ('--topspeed',)), pcap],
                          capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    sent = re.search(r'Actual: (\d+) packets', done.stdout)
    assert sent and int(sent[1]) == packets_in(pcap) and 'Failed packets: ' in done.stdout, done.stdout
    assert re.search(r'Failed packets:\s+0\b', done.stdout), done.stdout


class Probe:
    """`parshall run` in the namespace probe, ready when the constructor returns."""

    def __init__(self, parshall, scratch: Path, config: str, *eal, words=(), name='probe', seconds=20):
        self.config = scratch / f'{name}.yaml'
        self.config.write_text(config)
        self.begin = time.monotonic()
        self.process = Background(*inside('probe'), parshall, 'run', *eal, '--', '--config', self.config, '--stats', 'json',
                                  *words, log=scratch / f'{name}.log')
        # ip netns exec becomes the program: the process is parshall itself.
        self.pid = self.process.process.pid
        wait_until(lambda: 'metering; SIGTERM ends' in self.text() or self.process.process.poll() is not None,
                   'parshall meters', seconds)
        assert self.process.process.poll() is None, f'parshall did not start:\n{self.text()[-3000:]}'

    def text(self) -> str:
        return self.process.text()

    def statistics(self) -> dict:
        """What SIGUSR1 prints, from the moment of the call."""
        before = len(self.text())
        self.process.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: any(line.startswith('{') and line.endswith('}\n') for line in
                               self.text()[before:].splitlines(keepends=True)), 'SIGUSR1 prints statistics', 5)
        return ledger.find(self.text()[before:])

    def reload(self, config: str) -> str:
        """SIGHUP with this configuration; what parshall says to it."""
        self.config.write_text(config)
        before = len(self.text())
        self.process.process.send_signal(signal.SIGHUP)
        said = ('is in effect', 'not reloaded')
        wait_until(lambda: any(words in self.text()[before:] for words in said), 'an answer to SIGHUP', 5)
        return next(line for line in self.text()[before:].splitlines() if any(words in line for words in said))

    def wait_received(self, packets: int, seconds: float = 20) -> None:
        wait_until(lambda: self.statistics()['received']['packets'] >= packets, f'{packets} packets received', seconds)

    def cpu_seconds(self) -> float:
        fields = Path(f'/proc/{self.pid}/stat').read_text(encoding='ascii').rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def end(self, seconds: float = 5) -> dict:
        """SIGTERM; exit 0 in time, and the ledger closes."""
        begin = time.monotonic()
        status = self.process.end(signal.SIGTERM, seconds + 10)
        took = time.monotonic() - begin
        assert status == 0, f'exit {status}:\n{self.text()[-3000:]}'
        assert took < seconds, f'SIGTERM took {took:.1f} s:\n{self.text()[-3000:]}'
        return ledger.check(self.text())


def config(port: str, collectors: list, queues=1, more_metering='', more_exporting='', roles='', templates='default') -> str:
    return f'''observation:
  domain_id: 7
  points:
    - {{port: "{port}", queues: {queues}}}
metering:
  flows_max: 65536
  templates: [{templates}]
  {more_metering or LONG}
exporting:
  collectors: {[str(collector) for collector in collectors]}
  {more_exporting}
{roles}
'''


def compare(truth: Path, records: Path, *options) -> None:
    done = subprocess.run([harness.ROOT / 'tests/support/compare_flows.py', truth, records, *options], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout


class Hugepages:
    """Reserves 2 MB pages and gives them back; skips where the machine does not let us. One test run at a time."""

    FOLDER = Path('/sys/kernel/mm/hugepages/hugepages-2048kB')

    def __init__(self, wanted: int):
        self.wanted = wanted

    def __enter__(self):
        self.lock = open(Path(tempfile.gettempdir()) / 'parshall-hugepages.lock', 'w', encoding='ascii')
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        try:
            self.before = int((self.FOLDER / 'nr_hugepages').read_text())
            (self.FOLDER / 'nr_hugepages').write_text(str(self.before + self.wanted))
        except OSError as refused:
            raise Skip(f'hugepages cannot be reserved here: {refused}') from None
        self.reserved = self.free()
        if self.reserved < self.wanted:
            self.__exit__()
            raise Skip(f'{self.wanted} hugepages of 2 MB are not to be had here')
        return self

    def __exit__(self, *_):
        (self.FOLDER / 'nr_hugepages').write_text(str(self.before))
        self.lock.close()

    def free(self) -> int:
        return int((self.FOLDER / 'free_hugepages').read_text())

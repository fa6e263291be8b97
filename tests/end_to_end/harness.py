# SPDX-License-Identifier: BSD-3-Clause
"""What the end-to-end tests share: running parshall, foreign programs, the shared captures. Standard library only.

A test program calls main(globals()): every function test_* is one test, run in the order of the file, and may ask for
`parshall` (path of the executable), `scratch` (a Path of its own). The name is printed as a sentence. Exit code 77 when all were skipped.
    x_test.py PARSHALL [WORD ...]        only the tests whose name contains one of the words
"""
import atexit
import inspect
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ledger

ROOT = Path(__file__).resolve().parents[2]
CAPTURES = ROOT / 'tests' / 'captures'
HERE = Path(__file__).resolve().parent
SKIPPED = 77
LONG_TIMEOUTS = ('--idle', '24h', '--active', '168h', '--tcp-end', 'off')


class Skip(Exception):
    """The machine lacks what the test needs; the message says what to do about it."""


def shared_captures() -> Path:
    """The folder of captures that is not part of the project."""
    place = Path(os.environ.get('PARSHALL_SHARED_CAPTURES', ROOT.parent / 'shared' / 'captures'))
    if not (place / 'INDEX.csv').is_file():
        raise Skip(f'no shared captures in {place}: set PARSHALL_SHARED_CAPTURES to their folder')
    return place


def tool(name: str) -> str:
    """A foreign program that must be installed (scripts/install_dependencies --test)."""
    found = shutil.which(name, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')
    if not found:
        raise Skip(f'{name} is not installed: scripts/install_dependencies --test')
    return found


def own_captures() -> list:
    return sorted([*CAPTURES.glob('*.pcap'), *CAPTURES.glob('*.pcapng')])


def keep_until_exit() -> Path:
    """A scratch folder that lives as long as the test program."""
    folder = Path(tempfile.mkdtemp(prefix='parshall-e2e-'))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class Run:
    """One run of parshall that has ended, with its ledger when it must have one."""

    def __init__(self, parshall, *words, expect=0, timeout=120, stdin=None, environment=None):
        words = [str(word) for word in words]
        done = subprocess.run([parshall, *words], stdin=stdin if stdin is not None else subprocess.DEVNULL,
                              capture_output=True, timeout=timeout, check=False, env=environment)
        self.status, self.stdout = done.returncode, done.stdout
        self.stderr = done.stderr.decode('utf-8', 'replace')
        if expect is not None:
            wanted = expect if isinstance(expect, tuple) else (expect,)
            assert self.status in wanted, f'parshall {" ".join(words)}: exit {self.status}\n{self.stderr[-3000:]}'

    def records(self) -> list:
        return [json.loads(line) for line in self.stdout.splitlines()]

    def ledger(self) -> dict:
        return ledger.check(self.stderr)


def read(parshall, *words, **options) -> Run:
    """`parshall read --stats json`, whose ledger must close."""
    run = Run(parshall, 'read', '--stats', 'json', *words, **options)
    run.ledger()
    return run


def source(record: dict) -> str:
    return record.get('sourceIPv4Address') or record.get('sourceIPv6Address')


def destination(record: dict) -> str:
    return record.get('destinationIPv4Address') or record.get('destinationIPv6Address')


def directions(record: dict):
    """(source, destination, protocol, source port, destination port), packets, octets of each direction with packets."""
    ports = record.get('sourceTransportPort', 0), record.get('destinationTransportPort', 0)
    if record['packetDeltaCount']:  # none in a biflow's record when only the answers came since the last one
        yield ((source(record), destination(record), record['protocolIdentifier'], *ports),
               record['packetDeltaCount'], record['octetDeltaCount'])
    if record.get('reversePacketDeltaCount'):
        yield ((destination(record), source(record), record['protocolIdentifier'], *reversed(ports)),
               record['reversePacketDeltaCount'], record['reverseOctetDeltaCount'])


def sums(records) -> dict:
    """key of the direction -> (packets, octets), over all records of it."""
    out = {}
    for record in records:
        for key, packets, octets in directions(record):
            had = out.get(key, (0, 0))
            out[key] = had[0] + packets, had[1] + octets
    return out


def differences(wanted: dict, found: dict, limit=8) -> str:
    """Empty when both are equal."""
    lines = [f'missing {key}: {value}' for key, value in wanted.items() if key not in found]
    lines += [f'too many {key}: {value}' for key, value in found.items() if key not in wanted]
    lines += [f'{key}: expected {value}, found {found[key]}' for key, value in wanted.items()
              if key in found and found[key] != value]
    more = f'\n... {len(lines)} differences' if len(lines) > limit else ''
    return '\n'.join(lines[:limit]) + more


# An abstract name for each port given out: it keeps the port from the other tests of this machine, which run at the same time,
# as long as this process lives.
reservations = []


def free_port() -> int:
    """A port that nobody else gets before (or between) its user's binds: never the same twice, of this process or another, and none
    that the kernel hands to whoever connects or binds to port 0. It is not tried by binding it: a child that another thread starts at
    that moment would have the socket too, and keep the port until its own program runs."""
    with open('/proc/sys/net/ipv4/ip_local_port_range') as line:
        lowest, highest = map(int, line.read().split())
    candidates = [port for port in range(10000, 65536) if not lowest <= port <= highest]
    while True:
        port = random.choice(candidates)
        reservation = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            reservation.bind(f'\0parshall-test-port-{port}')
        except OSError:
            reservation.close()
            continue
        reservations.append(reservation)
        if not listening(port, 'udp') and not listening(port, 'tcp'):
            return port


def side_by_side(case, *words_of_each) -> None:
    """Calls case(*words) for each of the words, all at once: for cases that wait more than they work. Raises what one of them raised."""
    with ThreadPoolExecutor(len(words_of_each)) as pool:
        for running in [pool.submit(case, *words) for words in words_of_each]:
            running.result()


def wait_until(condition, what: str, seconds: float = 10.0):
    """Polls; returns what the condition returned when it became true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError(f'after {seconds} s still not: {what}')


def listening(port: int, kind: str, prefix=()) -> bool:
    flag = '-Hlun' if kind == 'udp' else '-Hltn'
    lines = subprocess.run([*prefix, tool('ss'), flag], capture_output=True, text=True, check=False).stdout
    return any(line.split()[3].endswith(f':{port}') for line in lines.splitlines())


class Background:
    """A foreign program that runs beside the test and is ended with it."""

    def __init__(self, *words, log: Path, environment=None):
        self.words = [str(word) for word in words]
        self.log = log
        with open(log, 'wb') as out:
            self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT, env=environment)
        atexit.register(self.kill)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def text(self) -> str:
        return self.log.read_text('utf-8', 'replace')

    def wait(self, seconds: float) -> int:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f'{" ".join(self.words)} does not end:\n{self.text()[-2000:]}') from None

    def end(self, signal_number=15, seconds: float = 10) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        return self.wait(seconds)


def settled(size, quiet: float = 0.5, seconds: float = 10):
    """Waits until the number that `size` returns has not changed for `quiet` seconds."""
    end = time.monotonic() + seconds
    last, since = size(), time.monotonic()
    while time.monotonic() < end:
        time.sleep(0.05)
        now = size()
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since >= quiet:
            return


def main(names: dict) -> None:
    parshall = str(Path(sys.argv[1]).resolve())
    words = sys.argv[2:]
    tests = [(name, function) for name, function in names.items() if name.startswith('test_')
             and (not words or any(word in name for word in words))]
    passed, skipped, failed = 0, 0, 0
    for name, test in tests:
        sentence = name[5:].replace('_', ' ')
        scratch = Path(tempfile.mkdtemp(prefix='parshall-e2e-'))
        begin = time.monotonic()
        try:
            given = {'parshall': parshall, 'scratch': scratch}
            test(**{word: given[word] for word in inspect.signature(test).parameters})
            passed += 1
            print(f'ok       {sentence} ({time.monotonic() - begin:.1f} s)', flush=True)
        except Skip as why:
            skipped += 1
            print(f'skipped  {sentence}: {why}', flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f'FAILED   {sentence}', flush=True)
            traceback.print_exc(file=sys.stdout)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    print(f'{passed} passed, {skipped} skipped, {failed} failed')
    sys.exit(1 if failed or not tests else SKIPPED if not passed else 0)

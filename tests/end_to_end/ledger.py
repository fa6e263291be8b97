# SPDX-License-Identifier: BSD-3-Clause
"""The check of the ledger: every end-to-end test calls it on what `--stats json` printed.

All sums are added up here from their parts; the program's own opinion (ledgerCloses) must agree but proves nothing.

    received     = metered + ignored[class] + dropped[reason]        packets, frame octets
    metered      = in records made + in live flows                   packets, IP octets
    records made = encoded + lost on the way to the exporter         records, packets, octets
    flows taken  = with result + without + refused + inspecting      flows (layer 7)
    encoded      = offered + absent, per collector and group         records, packets, octets
    offered + recovered = sent + queued + spooled + handed over + lost[reason], per collector and group
    offered to a group's collectors = offered to the group + handed over by them
    received     = what the ports handed over                        packets (live only)
"""
import json

RECORD_UNITS = ('records', 'packets', 'octets')


class LedgerError(AssertionError):
    """A sum does not close, or there is no ledger."""


def find(stderr: str) -> dict:
    """The last ledger in what the program wrote to standard error; there must be one."""
    found = None
    for line in stderr.splitlines():
        if line.startswith('{'):
            found = json.loads(line)
    if found is None:
        raise LedgerError(f'no ledger was printed; standard error:\n{stderr[-3000:]}')
    return found


def total(parts, units=RECORD_UNITS) -> dict:
    parts = list(parts)
    return {unit: sum(part[unit] for part in parts) for unit in units}


def faults(ledger: dict, settled: bool = True) -> list:
    """What does not close; `settled`: the roles stand still, so that queues are empty and sums exact."""
    wrong = []

    def equal(what, left, right):
        if left != right:
            wrong.append(f'{what}: {left} is not {right}')

    def balance(name, collector):
        told = total([collector['sent'], collector['queued'], collector['spooled'], collector['handedOver'],
                      *collector['lost'].values()])
        equal(f'{name}: offered + recovered = sent + queued + spooled + handed over + lost',
              total([collector['offered'], collector['recovered']]), told)
        if settled:
            equal(f'{name}: nothing queued at the end', collector['queued'], dict.fromkeys(RECORD_UNITS, 0))

    made = total(ledger['recordsMade'].values())
    accounted = total([ledger['metered'], *ledger['refused'].values()], ('packets', 'octets'))
    equal('received = metered + refused', ledger['received'], accounted)
    equal('records made, total', ledger['recordsMadeTotal'], made)
    live = ledger['liveFlows']
    equal('packets metered = in records + live', ledger['metered']['packets'], made['packets'] + live['packets'])
    equal('IP octets metered = in records + live', ledger['meteredIpOctets'], made['octets'] + live['octets'])
    equal('made = encoded + lost', made, total([ledger['encoded'], ledger['recordsLostQueueFull']]))
    seven = ledger['application']
    equal('flows taken under inspection = what became of them', seven['flowsTaken'], seven['flowsWithResult']
          + seven['flowsWithoutResult'] + seven['resultsRefused'] + seven['flowsInspecting'])
    labelled = sum(seven[how] for how in ('labelledByHost', 'labelledByParser', 'labelledByPattern',
                                          'labelledByPort', 'notLabelled'))
    if labelled != 0 and settled:  # without rules nothing is labelled
        equal('flows labelled or not = flows inspected', labelled, seven['flowsWithResult']
              + seven['flowsWithoutResult'] + seven['resultsRefused'])
    if not ledger['collectors']:
        wrong.append('no collector in the ledger')
    for collector in ledger['collectors']:
        name = collector['name']
        equal(f'{name}: offered + absent = encoded', total([collector['offered'], collector['absent']]), ledger['encoded'])
        balance(name, collector)
        members = collector.get('members', [])
        for member in members:
            balance(f"{name}: {member['name']}", member)
            equal(f"{name}: {member['name']}: no absence of its own", member['absent'], dict.fromkeys(RECORD_UNITS, 0))
        if members:
            equal(f'{name}: nothing handed over by the group', collector['handedOver'], dict.fromkeys(RECORD_UNITS, 0))
            equal(f'{name}: offered + handed over = offered to its collectors',
                  total([collector['offered'], *(member['handedOver'] for member in members)]),
                  total(member['offered'] for member in members))
            for kind in ('sent', 'queued', 'spooled', 'recovered'):
                equal(f'{name}: {kind} by all its collectors', collector[kind], total(member[kind] for member in members))
            for reason, tally in collector['lost'].items():
                equal(f'{name}: lost[{reason}] by all its collectors', tally, total(member['lost'][reason] for member in members))
    if ledger['ports']:
        handed_over = sum(port['received'] for port in ledger['ports'])
        equal('received = from the ports', ledger['received']['packets'], handed_over)
    if settled:
        equal('no flows under inspection at the end', seven['flowsInspecting'], 0)
        equal('no live flows at the end', live, dict.fromkeys(RECORD_UNITS, 0))
        equal('the program agrees', ledger.get('ledgerCloses'), True)
    return wrong


def check(stderr: str, settled: bool = True) -> dict:
    """Returns the ledger when it closes."""
    ledger = find(stderr)
    wrong = faults(ledger, settled)
    if wrong:
        raise LedgerError('the ledger does not close:\n  ' + '\n  '.join(wrong))
    return ledger


def check_nothing_lost(stderr: str) -> dict:
    """The ledger closes, and no packet and no record was lost."""
    ledger = check(stderr)
    lost = {name: tally for name, tally in ledger['refused'].items() if name.startswith('dropped_table')
            or name.startswith('dropped_index') if tally['packets']}
    for collector in ledger['collectors']:
        lost.update({f"{collector['name']}: {why}": tally for why, tally in collector['lost'].items() if tally['records']})
    if ledger['recordsLostQueueFull']['records']:
        lost['record queue full'] = ledger['recordsLostQueueFull']
    if lost:
        raise LedgerError(f'records or packets were lost: {lost}')
    return ledger

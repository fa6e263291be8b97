# SPDX-License-Identifier: BSD-3-Clause
"""The judge's own test: a ledger in which any one number is wrong does not pass."""
import copy

import harness
import ledger
import messages
from harness import CAPTURES, read

# Told for information; no sum has them.
NOT_SUMMED = {'flowsMade', 'wideRecords', 'recordsWithoutCommon', 'flowsLeftOut', 'leftOutLookups',
              'laterFragments', 'transportCut', 'extensionChainCut', 'messages', 'messageOctets', 'templateRecords',
              'optionsRecords', 'optionsTooLarge', 'flowsRefused', 'interimResultsRefused', 'octetsInspected', 'hellosRefused',
              'textsEmptied', 'textsCut', 'textsNoRoom', 'textsCutForRecord', 'patternsNotAsked',
              'patternsFailed',
              'sessions', 'sendErrors', 'roles'}


def numbers(node, path=()):
    """Paths of all numbers that belong to a sum."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key not in NOT_SUMMED:
                yield from numbers(value, (*path, key))
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from numbers(value, (*path, place))
    elif isinstance(node, int) and not isinstance(node, bool):
        yield path


def test_every_wrong_number_is_noticed(parshall, scratch):
    config = scratch / 'group.yaml'
    config.write_text(f'''exporting:
  collectors:
    - json
    - distribute: round_robin
      collectors: ["file://{scratch}/a.ipfix", "file://{scratch}/b.ipfix"]
''')
    right = read(parshall, CAPTURES / 'office.pcap', '-c', config).ledger()
    assert len(right['collectors'][1]['members']) == 2, right['collectors']
    assert not ledger.faults(right)
    paths = list(numbers(right))
    assert len(paths) > 90, len(paths)
    for path in paths:
        wrong = copy.deepcopy(right)
        node = wrong
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] += 1
        assert ledger.faults(wrong), f'{path} may say anything'


def test_a_missing_ledger_is_an_error():
    try:
        ledger.check('parshall: something else\n')
    except ledger.LedgerError:
        return
    raise AssertionError('no ledger was taken for a right one')


def test_the_strict_reader_notices_every_changed_octet_of_a_header(parshall, scratch):
    file = scratch / 'x.ipfix'
    read(parshall, CAPTURES / 'office.pcap', '-o', file)
    octets = file.read_bytes()
    first = next(messages.split(octets))
    assert messages.read(messages.split(octets)).data_records == 42
    # Version, length and sequence number of the first message, then the header of its first set.
    for place in (*range(0, 4), *range(8, 12), *range(16, 20)):
        wrong = bytearray(octets)
        wrong[place] ^= 0x01
        try:
            messages.read(messages.split(bytes(wrong)))
        except messages.MessageError:
            continue
        raise AssertionError(f'octet {place} of {len(first)} may be anything')


if __name__ == '__main__':
    harness.main(globals())

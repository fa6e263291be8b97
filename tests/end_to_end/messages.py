# SPDX-License-Identifier: BSD-3-Clause
"""A strict reader of IPFIX messages (RFC 7011), for what parshall sends: one stream of one transport session.

Everything that is only tolerated by others is an error here: a gap in the sequence numbers, data before its template, a
template that changes, padding that is not zero, export time before a flow's end.
"""
import struct

TEMPLATE_SET, OPTIONS_TEMPLATE_SET = 2, 3
FLOW_END_MILLISECONDS, REVERSE_PEN = 153, 29305
BASIC_LIST = 291


class MessageError(AssertionError):
    """Something the standard, or parshall's promises, do not allow."""


def set_ids(octets: bytes) -> list:
    """Of a message, in order."""
    ids, at = [], 16
    while at + 4 <= len(octets):
        set_id, length = struct.unpack_from('!HH', octets, at)
        ids.append(set_id)
        at += max(length, 4)
    return ids


class Session:
    """One transport session: templates and sequence numbers by Observation Domain."""

    def __init__(self):
        self.templates = {}
        self.sequence = {}
        self.messages = self.data_records = self.template_records = 0
        self.longest = 0

    def fail(self, what: str):
        raise MessageError(f'message {self.messages}: {what}')

    def message(self, octets: bytes) -> None:
        if len(octets) < 16:
            self.fail(f'{len(octets)} octets')
        version, length, export_s, sequence, domain = struct.unpack_from('!HHIII', octets)
        if version != 10 or length != len(octets):
            self.fail(f'version {version}, length {length} of {len(octets)}')
        wanted = self.sequence.setdefault(domain, 0)
        if sequence != wanted:
            self.fail(f'sequence number {sequence}, expected {wanted}')
        self.longest = max(self.longest, length)
        at, records = 16, 0
        if at == length:
            self.fail('no set')
        while at < length:
            if length - at < 4:
                self.fail(f'{length - at} octets after the last set')
            set_id, set_length = struct.unpack_from('!HH', octets, at)
            if set_length <= 4 or at + set_length > length:
                self.fail(f'set {set_id} of {set_length} octets at {at}')
            body = octets[at + 4:at + set_length]
            if set_id == TEMPLATE_SET:
                self.template_set(domain, body)
            elif set_id == OPTIONS_TEMPLATE_SET:
                self.template_set(domain, body, options=True)
            elif set_id >= 256:
                records += self.data_set(domain, set_id, body, export_s)
            else:
                self.fail(f'set id {set_id}')
            at += set_length
        self.sequence[domain] = (wanted + records) & 0xFFFFFFFF
        self.data_records += records
        self.messages += 1

    def template_set(self, domain: int, body: bytes, options=False) -> None:
        at = 0
        while len(body) - at >= 4:
            template_id, count = struct.unpack_from('!HH', body, at)
            if template_id < 256 or count == 0:
                self.fail(f'template {template_id} of {count} fields')
            at += 6 if options else 4
            fields = []
            for _ in range(count):
                element, octets = struct.unpack_from('!HH', body, at)
                at += 4
                enterprise = 0
                if element & 0x8000:
                    enterprise, = struct.unpack_from('!I', body, at)
                    at += 4
                fields.append((enterprise, element & 0x7FFF, octets))
            # Lists of different elements are all element 291 (RFC 6313).
            single = [field[:2] for field in fields if field[:2] != (0, BASIC_LIST)]
            if len(set(single)) != len(single):
                self.fail(f'template {template_id} repeats an element')
            if self.templates.setdefault((domain, template_id), fields) != fields:
                self.fail(f'template {template_id} changed')
            self.template_records += 1
        if any(body[at:]):
            self.fail('padding that is not zero')

    def data_set(self, domain: int, template_id: int, body: bytes, export_s: int) -> int:
        fields = self.templates.get((domain, template_id))
        if fields is None:
            self.fail(f'data before template {template_id}')
        at, records = 0, 0
        shortest = sum(1 if octets == 65535 else octets for _, _, octets in fields)
        while len(body) - at >= shortest:
            at = self.data_record(body, at, fields, export_s)
            records += 1
        if records == 0 or any(body[at:]) or len(body) - at > 3:
            self.fail(f'set {template_id}: {records} records, then {len(body) - at} octets')
        return records

    def data_record(self, body: bytes, at: int, fields: list, export_s: int) -> int:
        for enterprise, element, octets in fields:
            if octets == 65535:
                octets = body[at]
                at += 1
                if octets == 255:
                    octets, = struct.unpack_from('!H', body, at)
                    at += 2
            if at + octets > len(body):
                self.fail('a record runs over its set')
            if enterprise in (0, REVERSE_PEN) and element == FLOW_END_MILLISECONDS:
                end_ms, = struct.unpack_from('!Q', body, at)
                if end_ms >= (export_s + 1) * 1000:
                    self.fail(f'a flow ends at {end_ms} ms, exported at {export_s} s')
            at += octets
        return at


def split(octets: bytes):
    """The messages of a file or of a TCP stream."""
    at = 0
    while at < len(octets):
        if len(octets) - at < 16:
            raise MessageError(f'{len(octets) - at} octets at the end are no message')
        length, = struct.unpack_from('!H', octets, at + 2)
        if length < 16 or at + length > len(octets):
            raise MessageError(f'a message of {length} octets, {len(octets) - at} are left')
        yield octets[at:at + length]
        at += length


def read(messages) -> Session:
    """Raises MessageError at the first fault."""
    session = Session()
    for message in messages:
        try:
            session.message(message)
        except (struct.error, IndexError) as beyond:
            raise MessageError(f'message {session.messages}: something runs over its end: {beyond}') from None
    return session

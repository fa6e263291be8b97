# SPDX-License-Identifier: BSD-3-Clause
"""A strict reader of NetFlow v5 and v9 packets (RFC 3954, Cisco's tables of v5), for what parshall sends: one exporter."""
import ipaddress
import struct

FIRST_SWITCHED, LAST_SWITCHED = 22, 21
V5_RECORD = struct.Struct('!4s4s4sHHIIIIHHBBBBHHBBH')


class NetflowError(AssertionError):
    """Something the format, or parshall's promises, do not allow."""


def need(condition, what: str):
    if not condition:
        raise NetflowError(what)


class Exporter:
    """Reads packet after packet; `flows` has a dictionary of Field Types for each record, with times in ms."""

    def __init__(self):
        self.templates, self.options = {}, {}
        self.flows, self.options_records = [], []
        self.sequence = 0
        self.packets = 0

    def packet(self, octets: bytes) -> None:
        version, = struct.unpack_from('!H', octets)
        need(version in (5, 9), f'version {version}')
        (self.packet5 if version == 5 else self.packet9)(octets)
        self.packets += 1

    def take(self, flow: dict, unix_ms: int) -> None:
        if FIRST_SWITCHED in flow:
            need(flow[FIRST_SWITCHED] <= flow[LAST_SWITCHED] <= unix_ms,
                 f'a flow from {flow[FIRST_SWITCHED]} to {flow[LAST_SWITCHED]} ms, exported at {unix_ms}')
        self.flows.append(flow)

    def packet5(self, octets: bytes) -> None:
        _, count, uptime, seconds, nanoseconds, sequence, _, sampling = struct.unpack_from('!HHIIIIHH', octets)
        need(0 < count <= 30 and len(octets) == 24 + 48 * count, f'{count} records in {len(octets)} octets')
        need(nanoseconds == 0 and sampling == 0, 'nanoseconds or sampling')
        need(sequence == self.sequence, f'sequence number {sequence}, expected {self.sequence}')
        self.sequence = (sequence + count) & 0xFFFFFFFF
        boot = seconds * 1000 - uptime
        for at in range(24, len(octets), 48):
            (source, destination, hop, into, out, packets, total, first, last, source_port, destination_port, pad, flags, protocol,
             tos, source_as, destination_as, *masks) = V5_RECORD.unpack_from(octets, at)
            need(not any((pad, source_as, destination_as, *masks)) and hop == bytes(4), 'something where there is nothing to tell')
            need(packets > 0 and total > 0, 'a flow without packets')
            self.take({8: source, 12: destination, 10: into, 14: out, 2: packets, 1: total, FIRST_SWITCHED: boot + first,
                       LAST_SWITCHED: boot + last, 7: source_port, 11: destination_port, 6: flags, 4: protocol, 5: tos},
                      seconds * 1000)

    def packet9(self, octets: bytes) -> None:
        _, count, uptime, seconds, sequence, _ = struct.unpack_from('!HHIIII', octets)
        need(sequence == self.sequence, f'sequence number {sequence}, expected {self.sequence}')
        self.sequence = (sequence + 1) & 0xFFFFFFFF
        records, at = 0, 20
        while at < len(octets):
            flow_set, length = struct.unpack_from('!HH', octets, at)
            need(length > 4 and length % 4 == 0 and at + length <= len(octets), f'FlowSet {flow_set} of {length} octets')
            body = octets[at + 4:at + length]
            if flow_set == 0:
                records += self.template_set(body)
            elif flow_set == 1:
                records += self.options_template(body)
            else:
                need(flow_set >= 256, f'FlowSet {flow_set}')
                records += self.data_set(flow_set, body, seconds * 1000 - uptime, seconds * 1000)
            at += length
        need(records == count, f'{records} records, {count} in the header')

    def template_set(self, body: bytes) -> int:
        at = records = 0
        while len(body) - at >= 4:
            template, count = struct.unpack_from('!HH', body, at)
            need(template >= 256 and count > 0, f'template {template} of {count} fields')
            fields = [struct.unpack_from('!HH', body, at + 4 + 4 * i) for i in range(count)]
            need(all(kind < 0x8000 and 0 < octets < 0xFFFF for kind, octets in fields), f'template {template}: {fields}')
            need(len({kind for kind, _ in fields}) == count, f'template {template} repeats a field')
            need(self.templates.setdefault(template, fields) == fields, f'template {template} changed')
            at += 4 + 4 * count
            records += 1
        need(at == len(body), 'octets behind the last template')
        return records

    def options_template(self, body: bytes) -> int:
        template, scope, options = struct.unpack_from('!HHH', body)
        need(template >= 256 and scope % 4 == 0 and options % 4 == 0, f'options template {template}')
        self.options[template] = [struct.unpack_from('!HH', body, at) for at in range(6, 6 + scope + options, 4)]
        rest = body[6 + scope + options:]
        need(len(rest) < 4 and not any(rest), 'padding')
        return 1

    def data_set(self, template: int, body: bytes, boot: int, unix_ms: int) -> int:
        options = template in self.options
        fields = self.options.get(template) or self.templates.get(template)
        need(fields, f'data before template {template}')
        size = sum(octets for _, octets in fields)
        records = len(body) // size
        rest = body[records * size:]
        need(records > 0 and len(rest) < 4 and not any(rest), f'{records} records, then {rest.hex()}')
        for number in range(records):
            at, flow = number * size, {}
            for kind, octets in fields:
                value = body[at:at + octets]
                flow[kind] = value if kind in (8, 12, 27, 28) else int.from_bytes(value, 'big')
                if kind in (FIRST_SWITCHED, LAST_SWITCHED):
                    flow[kind] += boot
                at += octets
            if options:
                self.options_records.append(flow)
            else:
                self.take(flow, unix_ms)
        return records


def read(packets) -> Exporter:
    exporter = Exporter()
    for octets in packets:
        try:
            exporter.packet(octets)
        except struct.error as beyond:
            raise NetflowError(f'packet {exporter.packets}: something runs over its end: {beyond}') from None
    return exporter


def address(flow: dict, ipv4: int, ipv6: int) -> str:
    return str(ipaddress.ip_address(flow.get(ipv4) or flow[ipv6]))


def sums(flows) -> dict:
    """In the form of harness.sums: key of the direction -> (packets, octets)."""
    out = {}
    for flow in flows:
        ports = (0, 0) if flow[4] in (1, 58) else (flow.get(7, 0), flow.get(11, 0))
        key = (address(flow, 8, 27), address(flow, 12, 28), flow[4], *ports)
        had = out.get(key, (0, 0))
        out[key] = had[0] + flow[2], had[1] + flow[1]
    return out

#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Turns encoder/registry/*.csv into the tables that encoder/information_elements.cpp compiles.

usage: generate_information_elements.py iana.csv enterprise.csv tables.inc ids.hpp

tables.inc: constexpr arrays in order of number, and indices in order of name.
ids.hpp:    ipfix::ie::sourceIPv4Address and so on, with IANA's spelling.
Refreshing the registry is: replace the CSV, build, review the diff.
"""
import csv
import sys

STATUS = {"current", "deprecated"}
TYPES = set("""octetArray unsigned8 unsigned16 unsigned32 unsigned64 unsigned256 signed8 signed16
signed32 signed64 float32 float64 boolean macAddress string dateTimeSeconds dateTimeMilliseconds
dateTimeMicroseconds dateTimeNanoseconds ipv4Address ipv6Address basicList subTemplateList
subTemplateMultiList""".split())
SEMANTICS = {"": "defaultSemantics", "default": "defaultSemantics", "quantity": "quantity",
             "totalCounter": "totalCounter", "deltaCounter": "deltaCounter",
             "identifier": "identifier", "flags": "flags", "list": "list",
             "snmpCounter": "snmpCounter", "snmpGauge": "snmpGauge"}
# Vendors' lists name a few types loosely; octetArray is RFC 7011's word for "as it came".
LOOSE_TYPES = {"uint": "unsigned64", "hex": "octetArray", "ip": "octetArray",
               "proto": "unsigned8", "ipv6address": "ipv6Address"}
# Where two enterprises use one name, the list that others reuse most answers for it.
PREFERRED_ENTERPRISES = [6871, 8057, 35632]


def element(row, enterprise, path, line):
    data_type = row["Abstract Data Type"]
    if enterprise:
        data_type = LOOSE_TYPES.get(data_type, data_type)
    semantics = SEMANTICS.get(row["Data Type Semantics"])
    status = row.get("Status") or "current"
    if data_type not in TYPES or semantics is None or status not in STATUS:
        sys.exit(f"{path}:{line}: unknown type, semantics or status in {row}")
    number = int(row["ElementID"])
    if not 0 < number < 0x8000:
        sys.exit(f"{path}:{line}: element number {number} is not 1 to 32767")
    return {"enterprise": enterprise, "id": number, "name": row["Name"], "type": data_type,
            "semantics": semantics, "status": status, "units": row.get("Units") or "",
            "range": row.get("Range") or ""}


def load(path, enterprise_column):
    with open(path, newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        out = [element(row, int(row[enterprise_column]) if enterprise_column else 0, path,
                       rows.line_num) for row in rows]
    out.sort(key=lambda e: (e["enterprise"], e["id"]))
    return out


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def preference(entry):
    pen = entry["enterprise"]
    known = pen in PREFERRED_ENTERPRISES
    return (PREFERRED_ENTERPRISES.index(pen) if known else len(PREFERRED_ENTERPRISES), pen)


def table(name, elements):
    lines = [f"inline constexpr InformationElement {name}[] = {{"]
    for e in elements:
        lines.append(f"    {{{e['enterprise']}, {e['id']}, AbstractDataType::{e['type']}, "
                     f"DataTypeSemantics::{e['semantics']}, Status::{e['status']}, "
                     f"{quoted(e['name'])}, {quoted(e['units'])}, {quoted(e['range'])}}},")
    lines.append("};")
    chosen = {}
    for index, e in enumerate(elements):
        best = chosen.get(e["name"])
        if best is None or preference(e) < preference(elements[best]):
            chosen[e["name"]] = index
    order = [str(chosen[n]) for n in sorted(chosen, key=lambda n: n.encode("utf-8"))]
    lines.append(f"inline constexpr std::uint16_t {name}ByName[] = {{{', '.join(order)}}};")
    return "\n".join(lines) + "\n"


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    iana_path, enterprise_path, tables_path, ids_path = sys.argv[1:]
    iana = load(iana_path, None)
    enterprise = load(enterprise_path, "PrivateEnterpriseNumber")
    banner = ("// SPDX-License-Identifier: BSD-3-Clause\n"
              "// Generated from encoder/registry by scripts/generate_information_elements.py.\n")
    with open(tables_path, "w", encoding="utf-8") as out:
        out.write(banner + table("kIana", iana) + table("kEnterprise", enterprise))
    with open(ids_path, "w", encoding="utf-8") as out:
        out.write(banner + "// IANA's Information Element numbers under IANA's names.\n"
                  "#pragma once\n\n"
                  "#include <cstdint>\n\nnamespace ipfix::ie {\n\n")
        for e in iana:
            out.write(f"inline constexpr std::uint16_t {e['name']} = {e['id']};\n")
        out.write("\n}  // namespace ipfix::ie\n")


main()

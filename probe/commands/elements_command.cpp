// SPDX-License-Identifier: BSD-3-Clause
// `parshall elements [NAME]`: the registry, and how each element can be metered.
#include <fmt/format.h>

#include <cstdio>
#include <stdexcept>

#include "encoder/information_elements.hpp"
#include "probe/commands/commands.hpp"
#include "probe/exporting/meterable_elements.hpp"

namespace probe {

namespace {

std::string_view family_name(ElementFamily family) {
    switch (family) {
        case ElementFamily::ipv4:
            return "IPv4";
        case ElementFamily::ipv6:
            return "IPv6";
        case ElementFamily::both:
            break;
    }
    return "IPv4, IPv6";
}

std::string uses(const MeterableEntry& entry) {
    std::string out;
    const auto add = [&](bool yes, std::string_view use) {
        if (yes) {
            out += (out.empty() ? "" : ", ") + std::string(use);
        }
    };
    add(entry.key.has_value(), "key");
    add(entry.value, "value");
    add(entry.reverse, "reverse");
    return out;
}

void print_one(const ipfix::InformationElement& element) {
    fmt::print("{} ({}{})\n", element.name,
               element.enterprise == 0 ? std::string("IANA ")
                                       : fmt::format("enterprise {}, ", element.enterprise),
               element.id);
    fmt::print("  type       {}, {}\n", ipfix::type_name(element.type),
               ipfix::default_length(element.type) == ipfix::kVariableLength
                   ? std::string("variable length")
                   : fmt::format("{} octets", ipfix::default_length(element.type)));
    if (!element.units.empty()) {
        fmt::print("  units      {}\n", element.units);
    }
    if (!element.range.empty()) {
        fmt::print("  range      {}\n", element.range);
    }
    fmt::print("  status     {}\n",
               element.status == ipfix::Status::current ? "current" : "deprecated");
    if (ipfix::is_reversible(element)) {
        fmt::print("  reverse    {}\n", ipfix::reverse_name(element));
    }
    const MeterableEntry* entry = find_meterable(element.enterprise, element.id);
    if (entry == nullptr) {
        fmt::print("  metered    no\n");
        return;
    }
    fmt::print("  metered    as {} of {}: {}\n", uses(*entry), family_name(entry->family),
               entry->meaning);
}

void print_all() {
    fmt::print(
        "Elements that can be metered (all {} known ones by name: parshall elements NAME)\n\n",
        ipfix::iana_elements().size() + ipfix::enterprise_elements().size());
    fmt::print("{:>5} {:>5}  {:<28} {:<22} {:<20} {:<11} {}\n", "pen", "id", "name", "type", "use",
               "family", "meaning");
    for (const MeterableEntry& entry : meterable_entries()) {
        const ipfix::InformationElement* element = ipfix::find_element(entry.enterprise, entry.id);
        fmt::print("{:>5} {:>5}  {:<28} {:<22} {:<20} {:<11} {}\n", entry.enterprise, entry.id,
                   element->name, ipfix::type_name(element->type), uses(entry),
                   family_name(entry.family), entry.meaning);
    }
}

} // namespace

int elements_command(const CommandLine& words) {
    if (words.element.empty()) {
        print_all();
        return kExitDone;
    }
    const ipfix::DirectedElement found = ipfix::find_directed_element(words.element);
    if (found.element == nullptr) {
        throw std::invalid_argument(fmt::format("no element is called {}; the nearest name is {}",
                                                words.element,
                                                ipfix::nearest_element_name(words.element)));
    }
    print_one(*found.element);
    return kExitDone;
}

} // namespace probe

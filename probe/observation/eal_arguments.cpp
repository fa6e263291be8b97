// SPDX-License-Identifier: BSD-3-Clause
// The only place that puts EAL arguments together. Pure but for the process's CPU set.
#include <sched.h>

#include <algorithm>
#include <cctype>
#include <initializer_list>
#include <string_view>

#include "probe/observation/eal_session.hpp"

namespace probe {
namespace {

/// Enough for a small table and two queues; without hugepages the EAL itself would take 64 MB.
constexpr std::uint32_t kNoHugeMemoryMb = 1024;

/// "-l2", "-l": "-l". "--vdev=net_null0": "--vdev". Anything else is some option's value: "".
std::string_view option_name(std::string_view argument) {
    if (argument.size() < 2 || argument[0] != '-') {
        return {};
    }
    return argument[1] == '-' ? argument.substr(0, argument.find('=')) : argument.substr(0, 2);
}

/// Long and short spellings that mean the same, and the ways to name lcores, of which the EAL takes
/// one.
std::string_view option_group(std::string_view name) {
    if (name == "-l" || name == "-c" || name == "-s" || name == "-S" || name == "--lcores") {
        return "lcores";
    }
    if (name == "--allow") {
        return "-a";
    }
    if (name == "--block") {
        return "-b";
    }
    return name;
}

bool may_repeat(std::string_view group) {
    return group == "-a" || group == "-b" || group == "-d" || group == "--vdev" ||
           group == "--log-level";
}

bool has(const std::vector<std::string>& arguments,
         std::initializer_list<std::string_view> groups) {
    return std::any_of(arguments.begin(), arguments.end(), [&](const std::string& argument) {
        const std::string_view group = option_group(option_name(argument));
        return std::find(groups.begin(), groups.end(), group) != groups.end();
    });
}

/// The value of every occurrence of an option, up to its first comma: "-a X,opt=1", "-aX",
/// "--vdev=X", "--vdev X".
std::vector<std::string> device_names(const std::vector<std::string>& arguments,
                                      std::string_view group) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string_view name = option_name(arguments[i]);
        if (option_group(name) != group) {
            continue;
        }
        std::string value;
        if (arguments[i].size() > name.size()) {
            value = arguments[i].substr(name.size() + (name.starts_with("--") ? 1 : 0));
        } else if (i + 1 < arguments.size()) {
            value = arguments[i + 1];
        }
        names.push_back(value.substr(0, value.find(',')));
    }
    return names;
}

/// Without the options (and their values) that the command line says again.
std::vector<std::string> not_overridden(const std::vector<std::string>& from_config,
                                        const std::vector<std::string>& from_command_line) {
    std::vector<std::string> kept;
    bool keep = true;
    for (const std::string& argument : from_config) {
        const std::string_view group = option_group(option_name(argument));
        if (!group.empty()) {
            keep = may_repeat(group) || !has(from_command_line, {group});
        }
        if (keep) {
            kept.push_back(argument);
        }
    }
    return kept;
}

/// The PCI bus knows its devices by domain too.
std::string with_domain(const std::string& address) {
    return std::count(address.begin(), address.end(), ':') == 1 ? "0000:" + address : address;
}

std::string cpus_of_this_process() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::string list;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (CPU_ISSET(cpu, &set)) {
                list += (list.empty() ? "" : ",") + std::to_string(cpu);
            }
        }
    }
    return list.empty() ? "0" : list;
}

void add_devices(std::vector<std::string>& out, const std::vector<std::string>& given,
                 const std::vector<std::string>& ports) {
    const std::vector<std::string> allowed = device_names(given, "-a");
    const std::vector<std::string> virtual_devices = device_names(given, "--vdev");
    const auto contains = [](const std::vector<std::string>& names, const std::string& name) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    bool any_pci = !allowed.empty();
    for (const std::string& port : ports) {
        const std::string name = port.substr(0, port.find(','));
        if (!is_pci_address(name)) {
            if (!contains(virtual_devices, name)) {
                out.push_back("--vdev=" + port);
            }
            continue;
        }
        any_pci = true;
        // The EAL refuses an allow-list beside a block-list; who blocks decides for himself.
        if (!has(given, {"-b"}) && !contains(allowed, name) &&
            !contains(allowed, with_domain(name))) {
            out.insert(out.end(), {"-a", port});
        }
    }
    if (!any_pci && !has(given, {"-b", "--no-pci"})) {
        out.push_back("--no-pci");
    }
}

} // namespace

bool is_pci_address(const std::string& port) noexcept {
    // [dddd:]bb:dd.f in hexadecimal digits; the domain may have up to eight.
    std::string_view rest = port;
    const auto take_hex = [&rest](std::size_t least, std::size_t most) {
        std::size_t n = 0;
        while (n < rest.size() && std::isxdigit(static_cast<unsigned char>(rest[n])) != 0) {
            ++n;
        }
        rest.remove_prefix(n);
        return n >= least && n <= most;
    };
    const auto take = [&rest](char c) {
        const bool found = !rest.empty() && rest.front() == c;
        rest.remove_prefix(found ? 1 : 0);
        return found;
    };
    if (std::count(port.begin(), port.end(), ':') == 2 && !(take_hex(4, 8) && take(':'))) {
        return false;
    }
    return take_hex(2, 2) && take(':') && take_hex(2, 2) && take('.') && take_hex(1, 1) &&
           rest.empty();
}

std::vector<std::string> live_eal_arguments(const std::vector<std::string>& from_config,
                                            const std::vector<std::string>& from_command_line,
                                            const std::vector<std::string>& ports,
                                            std::uint32_t memory_mb) {
    std::vector<std::string> given = not_overridden(from_config, from_command_line);
    given.insert(given.end(), from_command_line.begin(), from_command_line.end());

    std::vector<std::string> out;
    // Nothing left on a hugetlbfs mount after kill -9, unless the operator shares memory on
    // purpose.
    if (!has(given, {"--in-memory", "--file-prefix", "--huge-dir", "--huge-unlink", "--legacy-mem",
                     "--proc-type", "--no-shconf"})) {
        // --no-huge is legacy memory to the EAL, which it does not take together with --in-memory.
        out.emplace_back(has(given, {"--no-huge"}) ? "--no-shconf" : "--in-memory");
    }
    if (!has(given, {"--telemetry", "--no-telemetry"})) {
        out.emplace_back("--no-telemetry");
    }
    if (has(given, {"--no-huge"}) && !has(given, {"-m"})) {
        out.insert(out.end(), {"-m", std::to_string(memory_mb == 0 ? kNoHugeMemoryMb : memory_mb)});
    }
    add_devices(out, given, ports);
    out.insert(out.end(), given.begin(), given.end());
    return out;
}

std::vector<std::string> offline_eal_arguments(std::uint32_t memory_mb) {
    return {"--no-huge",
            "--no-shconf",
            "--no-pci",
            "--no-telemetry",
            "--lcores=0@(" + cpus_of_this_process() + ")",
            "-m",
            std::to_string(memory_mb)};
}

} // namespace probe

// SPDX-License-Identifier: BSD-3-Clause
#include "probe/config/collector_mapping.hpp"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <net/if.h>

#include <array>
#include <limits>
#include <string>

#include "probe/config/collector_url.hpp"
#include "probe/config/yaml_values.hpp"

namespace probe {
namespace {

using ipfix::YamlNode;

constexpr std::uint64_t kDscpMax = 63;
constexpr std::uint64_t kSpoolOctetsMin = 1'048'576;
constexpr std::uint64_t kRateMax = 1'000'000'000'000; // a terabit a second
constexpr DurationLimits kRehandshakeLimits = {kNsPerSecond, 168 * kNsPerHour};
constexpr DurationLimits kRotateLimits = {kNsPerSecond, 168 * kNsPerHour};
constexpr std::uint64_t kFileOctetsMin = 65'536; // a few messages
constexpr std::uint64_t kFileOctetsMax = std::uint64_t{1} << 50U;
constexpr std::uint32_t kFilesKeptMax = 100'000;
constexpr DurationLimits kLifetimeLimits = {kNsPerMs, kNsPerHour};

void read_tls(const YamlNode& tls, CollectorOptions& collector) {
    if (!has_certificates(collector.transport)) {
        throw tls.error("only collectors at tls:// and dtls:// have this key");
    }
    tls.check_keys({"ca", "certificate", "key", "name", "rehandshake"});
    const auto take = [&tls](std::string_view key, std::string& value) {
        when(tls, key, [&](const YamlNode& text) { value = text.as_string(); });
    };
    take("ca", collector.tls.ca);
    take("certificate", collector.tls.certificate);
    take("key", collector.tls.key);
    take("name", collector.tls.name);
    if (const auto node = tls.find("rehandshake");
        node && collector.transport != TransportKind::dtls) {
        throw node->error("only collectors at dtls:// have this key");
    }
    take_duration(tls, "rehandshake", collector.tls.rehandshake, kRehandshakeLimits, true);
}

std::string read_source(const YamlNode& node) {
    std::string address = node.as_string();
    std::array<std::uint8_t, 16> octets{};
    if (inet_pton(AF_INET, address.c_str(), octets.data()) != 1 &&
        inet_pton(AF_INET6, address.c_str(), octets.data()) != 1) {
        throw node.error(fmt::format(
            "expected one of this machine's addresses, as 192.0.2.1, found '{}'", address));
    }
    return address;
}

std::string read_device(const YamlNode& node) {
    std::string name = node.as_string();
    if (name.size() >= IFNAMSIZ) {
        throw node.error(fmt::format("an interface's name has at most {} characters, found '{}'",
                                     IFNAMSIZ - 1, name));
    }
    return name;
}

void read_socket(const YamlNode& item, CollectorOptions& collector) {
    for (const char* key : {"source", "device", "dscp", "hop_limit"}) {
        if (const auto node = item.find(key); node && !to_network(collector.transport)) {
            throw node->error("only collectors on the network have this key");
        }
    }
    SocketOptions& options = collector.socket;
    when(item, "source", [&](const YamlNode& node) { options.source = read_source(node); });
    when(item, "device", [&](const YamlNode& node) { options.device = read_device(node); });
    when(item, "dscp", [&](const YamlNode& node) {
        options.dscp = static_cast<std::uint8_t>(node.as_uint(0, kDscpMax));
    });
    when(item, "hop_limit", [&](const YamlNode& node) {
        options.hop_limit = static_cast<std::uint8_t>(node.as_uint(1, UINT8_MAX));
    });
}

void read_sctp(const YamlNode& sctp, CollectorOptions& collector) {
    if (collector.transport != TransportKind::sctp) {
        throw sctp.error("only collectors at sctp:// have this key");
    }
    sctp.check_keys({"encapsulation", "lifetime", "streams"});
    take_uint(sctp, "encapsulation", collector.sctp.encapsulation, 1);
    take_duration(sctp, "lifetime", collector.sctp.lifetime, kLifetimeLimits, true);
    when(sctp, "streams", [&](const YamlNode& node) {
        collector.sctp.streams =
            static_cast<SctpStreamUse>(node.as_one_of({"one", "per_template"}));
    });
}

/// Streams are sessions of their own below, which share no limit and no directory.
void check_streams(const YamlNode& item, const CollectorOptions& collector) {
    if (collector.sctp.streams == SctpStreamUse::one) return;
    for (const char* key : {"records_per_second", "bits_per_second", "spool"}) {
        if (const auto node = item.find(key)) {
            throw node->error(
                "with a stream for each template (streams: per_template) this cannot be kept; "
                "leave one of the two out");
        }
    }
}

void read_rotation(const YamlNode& node, FileOptions& file) {
    node.check_keys({"every", "octets", "keep"});
    take_duration(node, "every", file.rotate_every, kRotateLimits);
    when(node, "octets", [&](const YamlNode& value) {
        file.rotate_octets = value.as_size(kFileOctetsMin, kFileOctetsMax);
    });
    take_uint(node, "keep", file.keep, 1, kFilesKeptMax);
    if (file.rotate_every == 0 && file.rotate_octets == 0) {
        throw node.error("files rotate by time, by size or both; write every: 5m or octets: 100M");
    }
}

void read_file(const YamlNode& item, CollectorOptions& collector) {
    for (const char* key : {"rotate", "checksum", "time_window"}) {
        if (const auto node = item.find(key); node && collector.transport != TransportKind::file) {
            throw node->error("only collectors at file:// have this key");
        }
    }
    when(item, "rotate", [&](const YamlNode& node) { read_rotation(node, collector.file); });
    when(item, "checksum", [&](const YamlNode& node) { collector.file.checksum = node.as_bool(); });
    when(item, "time_window",
         [&](const YamlNode& node) { collector.file.time_window = node.as_bool(); });
}

void read_limits(const YamlNode& item, CollectorOptions& collector) {
    for (const char* key : {"records_per_second", "bits_per_second"}) {
        if (const auto node = item.find(key); node && !to_network(collector.transport)) {
            throw node->error("only collectors on the network have this key");
        }
    }
    take_uint(item, "records_per_second", collector.records_per_second, 1, kRateMax);
    take_uint(item, "bits_per_second", collector.bits_per_second, 1, kRateMax);
}

void read_spool(const YamlNode& spool, CollectorOptions& collector) {
    if (!to_network(collector.transport)) {
        throw spool.error("only collectors on the network are ever away; leave the key out");
    }
    spool.check_keys({"directory", "octets_max"});
    collector.spool.directory = spool.at("directory").as_string();
    when(spool, "octets_max", [&](const YamlNode& value) {
        collector.spool.octets_max =
            value.as_size(kSpoolOctetsMin, std::numeric_limits<std::int64_t>::max());
    });
}

} // namespace

CollectorOptions read_collector(const YamlNode& item) {
    if (!item.is_map()) {
        return parse_collector_url(item.as_string());
    }
    item.check_keys({"url", "tls", "source", "device", "dscp", "hop_limit", "sctp", "rotate",
                     "checksum", "time_window", "records_per_second", "bits_per_second", "spool"});
    CollectorOptions collector = parse_collector_url(item.at("url").as_string());
    when(item, "tls", [&](const YamlNode& tls) { read_tls(tls, collector); });
    read_socket(item, collector);
    when(item, "sctp", [&](const YamlNode& sctp) { read_sctp(sctp, collector); });
    read_file(item, collector);
    read_limits(item, collector);
    when(item, "spool", [&](const YamlNode& spool) { read_spool(spool, collector); });
    check_streams(item, collector);
    return collector;
}

} // namespace probe

// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/table_cells.hpp"

#include <arpa/inet.h>

#include <array>
#include <ctime>
#include <string_view>
#include <utility>

namespace probe {
namespace {

constexpr std::size_t kIpv4Octets = 4;
constexpr std::size_t kIpv6Octets = 16;

std::tm utc_of(TimeNs time) {
    const auto seconds = static_cast<std::time_t>(time / kNsPerSecond);
    std::tm broken_down{};
    static_cast<void>(::gmtime_r(&seconds, &broken_down));
    return broken_down;
}

void append_padded(std::string& out, std::uint64_t number, std::size_t digits) {
    const std::string text = std::to_string(number);
    if (text.size() < digits) out.append(digits - text.size(), '0');
    out += text;
}

void append_padded(std::string& out, int number, std::size_t digits) {
    append_padded(out, static_cast<std::uint64_t>(number), digits);
}

} // namespace

void append_count(std::string& out, std::uint64_t count) {
    constexpr std::uint64_t kPlainMax = 99'999;
    if (count <= kPlainMax) {
        out += std::to_string(count);
        return;
    }
    constexpr std::string_view kUnits = "kMGTPE";
    std::size_t unit = 0;
    std::uint64_t one = 1000; // of the unit
    // 999.5 and more would be rounded to "1000".
    for (; unit + 1 < kUnits.size() && count / (one / 1000) >= 999'500; ++unit)
        one *= 1000;
    const std::uint64_t thousandths = count / (one / 1000);
    const std::size_t decimals = thousandths < 9'995 ? 2 : thousandths < 99'950 ? 1 : 0;
    const std::uint64_t parts = decimals == 2 ? 100 : decimals == 1 ? 10 : 1;
    const std::uint64_t step = one / parts;
    const std::uint64_t rounded = count / step + (count % step >= step / 2 ? 1 : 0);
    out += std::to_string(rounded / parts);
    if (decimals > 0) {
        out += '.';
        append_padded(out, rounded % parts, decimals);
    }
    out += kUnits[unit];
}

void append_clock(std::string& out, TimeNs time, bool milliseconds) {
    const std::tm utc = utc_of(time);
    append_padded(out, utc.tm_hour, 2);
    out += ':';
    append_padded(out, utc.tm_min, 2);
    out += ':';
    append_padded(out, utc.tm_sec, 2);
    if (!milliseconds) return;
    out += '.';
    append_padded(out, time % kNsPerSecond / kNsPerMs, 3);
}

void append_date(std::string& out, TimeNs time) {
    const std::tm utc = utc_of(time);
    append_padded(out, utc.tm_year + 1900, 4);
    out += '-';
    append_padded(out, utc.tm_mon + 1, 2);
    out += '-';
    append_padded(out, utc.tm_mday, 2);
    out += ' ';
    append_clock(out, time, false);
}

void append_duration(std::string& out, TimeNs duration) {
    const std::uint64_t seconds = duration / kNsPerSecond;
    const std::uint64_t ms = duration % kNsPerSecond / kNsPerMs;
    out += std::to_string(seconds);
    if (seconds < 1000) {
        out += '.';
        append_padded(out, ms, 3);
    } else if (seconds < 100'000) {
        out += '.';
        append_padded(out, ms / 100, 1);
    }
}

void append_protocol(std::string& out, std::uint8_t protocol) {
    static constexpr std::array<std::pair<std::uint8_t, std::string_view>, 16> kNames = {{
        {1, "ICMP"},
        {2, "IGMP"},
        {4, "IPIP"},
        {6, "TCP"},
        {17, "UDP"},
        {33, "DCCP"},
        {41, "IPv6"},
        {46, "RSVP"},
        {47, "GRE"},
        {50, "ESP"},
        {51, "AH"},
        {58, "ICMP6"},
        {89, "OSPF"},
        {103, "PIM"},
        {112, "VRRP"},
        {132, "SCTP"},
    }};
    for (const auto& [number, name] : kNames) {
        if (number == protocol) {
            out += name;
            return;
        }
    }
    out += protocol == 136 ? "UDPL" : std::to_string(protocol);
}

void append_endpoint(std::string& out, Bytes address, bool has_port, std::uint16_t port) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const bool ipv6 = address.size() == kIpv6Octets;
    if (!ipv6 && address.size() != kIpv4Octets) return;
    const int family = ipv6 ? AF_INET6 : AF_INET;
    if (::inet_ntop(family, address.data(), text.data(), text.size()) == nullptr) return;
    out += text.data();
    if (!has_port) return;
    out += ipv6 ? '.' : ':';
    out += std::to_string(port);
}

void append_tcp_flags(std::string& out, std::uint16_t control_bits) {
    constexpr std::string_view kLetters = "CEUAPRSF";
    for (std::size_t bit = 0; bit < kLetters.size(); ++bit) {
        const bool set = (control_bits & (0x80U >> bit)) != 0;
        out += set ? kLetters[bit] : '.';
    }
}

void append_end_reason(std::string& out, std::uint8_t reason) {
    static constexpr std::array<std::string_view, 6> kNames = {"",    "idle",   "active",
                                                               "end", "forced", "full"};
    if (reason > 0 && reason < kNames.size())
        out += kNames[reason];
    else
        out += std::to_string(reason);
}

void append_words(std::string& out, Bytes text) {
    if (!out.empty() && !text.empty()) out += ' ';
    for (std::size_t i = 0; i < text.size(); ++i) {
        const std::uint8_t octet = text[i];
        // C1 controls (U+0080 to U+009F) have two octets in UTF-8.
        const bool c1 = octet == 0xC2 && i + 1 < text.size() && text[i + 1] < 0xA0;
        const bool control = octet < 0x20 || octet == 0x7F || c1;
        out += control ? '.' : static_cast<char>(octet);
        i += c1 ? 1 : 0;
    }
}

} // namespace probe

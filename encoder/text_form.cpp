// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/text_form.hpp"

#include <array>
#include <bit>
#include <charconv>

#include "encoder/ntp_time.hpp"

namespace ipfix {

namespace {

using Value = std::span<const std::uint8_t>;

constexpr std::string_view kHexDigits = "0123456789abcdef";

template <typename Number>
void append_number(std::string& out, Number number) {
    std::array<char, 32> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    out.append(digits.data(), end);
}

void append_hex_octet(std::string& out, std::uint8_t octet) {
    out += kHexDigits[octet >> 4U];
    out += kHexDigits[octet & 0xFU];
}

void append_octets(std::string& out, Value value) {
    out += "0x";
    for (const std::uint8_t octet : value)
        append_hex_octet(out, octet);
}

// Right-aligned with zeros, as dates have them.
void append_padded(std::string& out, std::uint64_t number, std::size_t width) {
    std::array<char, 20> digits{};
    for (std::size_t i = width; i > 0; --i) {
        digits[i - 1] = static_cast<char>('0' + number % 10);
        number /= 10;
    }
    out.append(digits.data(), width);
}

std::int64_t signed_number(Value value) {
    const std::uint64_t number = load_be(value.data(), value.size());
    const auto unused_bits = static_cast<unsigned>(64 - 8 * value.size());
    // Shifting left and back right spreads the sign of a reduced-size number.
    return static_cast<std::int64_t>(number << unused_bits) >> unused_bits;
}

void append_float(std::string& out, Value value) {
    // The shortest text that gives the same number back: of the width that was sent.
    if (value.size() == 4) {
        append_number(out, std::bit_cast<float>(load_be<std::uint32_t>(value.data())));
    } else {
        append_number(out, std::bit_cast<double>(load_be<std::uint64_t>(value.data())));
    }
}

void append_ipv4(std::string& out, Value value) {
    for (std::size_t i = 0; i < value.size(); ++i) {
        if (i > 0) out += '.';
        append_number(out, static_cast<unsigned>(value[i]));
    }
}

// RFC 5952: the longest run of two or more zero groups, the first of equal ones, becomes "::".
void append_ipv6(std::string& out, Value value) {
    constexpr std::size_t kGroups = 8;
    std::array<std::uint16_t, kGroups> groups{};
    for (std::size_t i = 0; i < kGroups; ++i) {
        groups[i] = load_be<std::uint16_t>(value.data() + 2 * i);
    }
    std::size_t run_start = kGroups;
    std::size_t run_length = 1;
    for (std::size_t i = 0; i < kGroups; ++i) {
        std::size_t length = 0;
        while (i + length < kGroups && groups[i + length] == 0)
            ++length;
        if (length > run_length) {
            run_start = i;
            run_length = length;
        }
    }
    // IPv4-mapped addresses are read with their dotted end (section 5).
    const bool mapped = run_start == 0 && run_length == 5 && groups[5] == 0xFFFF;
    std::array<char, 8> digits{};
    for (std::size_t i = 0; i < (mapped ? 6 : kGroups); ++i) {
        if (i == run_start) {
            out += "::";
            i += run_length - 1;
            continue;
        }
        if (i > 0 && i != run_start + run_length) out += ':';
        const auto end =
            std::to_chars(digits.data(), digits.data() + digits.size(), groups[i], 16).ptr;
        out.append(digits.data(), end);
    }
    if (mapped) {
        out += ':';
        append_ipv4(out, value.subspan(12));
    }
}

void append_mac(std::string& out, Value value) {
    for (std::size_t i = 0; i < value.size(); ++i) {
        if (i > 0) out += ':';
        append_hex_octet(out, value[i]);
    }
}

// Days since 1970 to a date of the Gregorian calendar: Howard Hinnant's algorithm, where the year
// begins in March so that the leap day is its last.
void append_date(std::string& out, std::uint64_t days) {
    const std::uint64_t z = days + 719'468;
    const std::uint64_t era = z / 146'097;
    const std::uint64_t day_of_era = z % 146'097;
    const std::uint64_t year_of_era =
        (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
    const std::uint64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const std::uint64_t shifted_month = (5 * day_of_year + 2) / 153;
    const std::uint64_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    const std::uint64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    const std::uint64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
    append_padded(out, year, year > 9999 ? 9 : 4);
    out += '-';
    append_padded(out, month, 2);
    out += '-';
    append_padded(out, day, 2);
}

void append_time(std::string& out, std::uint64_t seconds, std::uint64_t fraction,
                 std::size_t decimals) {
    constexpr std::uint64_t kDay = 86'400;
    append_date(out, seconds / kDay);
    const std::uint64_t of_day = seconds % kDay;
    out += 'T';
    append_padded(out, of_day / 3600, 2);
    out += ':';
    append_padded(out, of_day / 60 % 60, 2);
    out += ':';
    append_padded(out, of_day % 60, 2);
    if (decimals == 0) return;
    out += '.';
    append_padded(out, fraction, decimals);
}

void append_ntp(std::string& out, Value value, bool microseconds) {
    std::uint64_t ntp = load_be<std::uint64_t>(value.data());
    if (microseconds) ntp &= ~kNtpMicrosecondsIgnored;
    std::uint64_t ns = unix_ns_from_ntp(ntp);
    if (microseconds) ns += 500; // to the nearest; the caller cuts
    const std::uint64_t fraction = ns % kNsPerSecond;
    append_time(out, ns / kNsPerSecond, microseconds ? fraction / 1000 : fraction,
                microseconds ? 6 : 9);
}

bool readable(AbstractDataType type, Value value) {
    return value.size() <= UINT16_MAX &&
           allows_length(type, static_cast<std::uint16_t>(value.size()));
}

} // namespace

void append_text(std::string& out, AbstractDataType type, std::span<const std::uint8_t> value) {
    if (!readable(type, value)) {
        if (type != AbstractDataType::string) append_octets(out, value);
        return;
    }
    switch (type) {
        case AbstractDataType::unsigned8:
        case AbstractDataType::unsigned16:
        case AbstractDataType::unsigned32:
        case AbstractDataType::unsigned64:
            append_number(out, load_be(value.data(), value.size()));
            return;
        case AbstractDataType::signed8:
        case AbstractDataType::signed16:
        case AbstractDataType::signed32:
        case AbstractDataType::signed64:
            append_number(out, signed_number(value));
            return;
        case AbstractDataType::float32:
        case AbstractDataType::float64:
            append_float(out, value);
            return;
        case AbstractDataType::boolean:
            // RFC 7011 section 6.1.5: 1 is true and 2 is false.
            out += value[0] == 1 ? "true" : "false";
            return;
        case AbstractDataType::macAddress:
            append_mac(out, value);
            return;
        case AbstractDataType::string:
            out.append(value.begin(), value.end());
            return;
        case AbstractDataType::dateTimeSeconds:
            append_time(out, load_be<std::uint32_t>(value.data()), 0, 0);
            return;
        case AbstractDataType::dateTimeMilliseconds: {
            const auto ms = load_be<std::uint64_t>(value.data());
            append_time(out, ms / 1000, ms % 1000, 3);
            return;
        }
        case AbstractDataType::dateTimeMicroseconds:
            append_ntp(out, value, true);
            return;
        case AbstractDataType::dateTimeNanoseconds:
            append_ntp(out, value, false);
            return;
        case AbstractDataType::ipv4Address:
            append_ipv4(out, value);
            return;
        case AbstractDataType::ipv6Address:
            append_ipv6(out, value);
            return;
        case AbstractDataType::unsigned256:
            if (value.size() > sizeof(std::uint64_t)) break;
            append_number(out, load_be(value.data(), value.size()));
            return;
        case AbstractDataType::octetArray:
        case AbstractDataType::basicList:
        case AbstractDataType::subTemplateList:
        case AbstractDataType::subTemplateMultiList:
            break;
    }
    append_octets(out, value);
}

} // namespace ipfix

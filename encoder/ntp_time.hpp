// SPDX-License-Identifier: BSD-3-Clause
// dateTimeMicroseconds and dateTimeNanoseconds travel as 64-bit NTP timestamps: seconds since 1900
// and a binary fraction (RFC 7011 sections 6.1.9 and 6.1.10, RFC 5905 section 6).
#pragma once

#include <cstdint>

namespace ipfix {

inline constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
inline constexpr std::uint64_t kNtpUnixSeconds = 2'208'988'800; ///< 1900-01-01 to 1970-01-01
/// The bits of the fraction that dateTimeMicroseconds leaves zero and ignores (section 6.1.9).
inline constexpr std::uint64_t kNtpMicrosecondsIgnored = 0x7FF;

/// Rounded up to the next fraction, so that a reader gets the same nanosecond back whether it
/// rounds or cuts. The seconds wrap in 2036, as NTP's do.
[[nodiscard]] constexpr std::uint64_t ntp_from_unix_ns(std::uint64_t unix_ns) noexcept {
    const std::uint64_t seconds = unix_ns / kNsPerSecond + kNtpUnixSeconds;
    const std::uint64_t fraction =
        ((unix_ns % kNsPerSecond << 32U) + kNsPerSecond - 1) / kNsPerSecond;
    return (seconds << 32U) + fraction;
}

/// The same from whole microseconds, with the ignored bits zero.
[[nodiscard]] constexpr std::uint64_t ntp_from_unix_us(std::uint64_t unix_us) noexcept {
    const std::uint64_t exact = ntp_from_unix_ns(unix_us * 1000);
    return (exact + kNtpMicrosecondsIgnored) & ~kNtpMicrosecondsIgnored;
}

/// Seconds below 2^31 are taken for the era that begins in 2036 (RFC 4330 section 3).
[[nodiscard]] constexpr std::uint64_t unix_ns_from_ntp(std::uint64_t ntp) noexcept {
    std::uint64_t seconds = ntp >> 32U;
    if (seconds < 0x80000000U) seconds += 0x100000000U;
    const std::uint64_t half = 0x80000000U;
    const std::uint64_t fraction_ns = ((ntp & 0xFFFFFFFFU) * kNsPerSecond + half) >> 32U;
    const std::uint64_t since_unix = seconds >= kNtpUnixSeconds ? seconds - kNtpUnixSeconds : 0;
    return since_unix * kNsPerSecond + fraction_ns;
}

static_assert(unix_ns_from_ntp(ntp_from_unix_ns(1'795'309'323'456'789'012)) ==
              1'795'309'323'456'789'012);
static_assert(unix_ns_from_ntp(ntp_from_unix_us(1'795'309'323'456'789)) / 1000 ==
              1'795'309'323'456'789);

} // namespace ipfix

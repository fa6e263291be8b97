// SPDX-License-Identifier: BSD-3-Clause
#include "probe/metering/siphash.hpp"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace probe {

SipKey SipKey::random() {
    std::array<std::uint64_t, 2> words{};
    if (getrandom(words.data(), sizeof words, 0) != static_cast<ssize_t>(sizeof words)) {
        throw std::system_error(errno, std::generic_category(),
                                "the kernel gives no random key for the flow tables (getrandom)");
    }
    return SipKey{words[0], words[1]};
}

} // namespace probe

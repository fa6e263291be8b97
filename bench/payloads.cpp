// SPDX-License-Identifier: BSD-3-Clause
#include "bench/payloads.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "bench/traffic.hpp"
#include "probe/packet/protocol_numbers.hpp"

namespace bench {

std::string noise(std::uint64_t seed, std::size_t octets) {
    std::string text;
    for (std::size_t i = 0; i < octets; ++i) {
        text += static_cast<char>(mix64(seed * 4'096 + i));
    }
    return text;
}

Payloads common_payloads() {
    using probe::kProtocolTcp;
    using probe::kProtocolUdp;
    Payloads payloads;
    constexpr std::uint64_t kRounds = 256;
    for (std::uint64_t i = 0; i < kRounds; ++i) {
        const std::string number = std::to_string(i);
        payloads.push_back(
            {std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + noise(i, 506),
             kProtocolTcp, 443});
        payloads.push_back(
            {std::string("\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03", 11) + noise(i + 1, 1'390),
             kProtocolTcp, 443});
        payloads.push_back({"GET /page/" + number +
                                " HTTP/1.1\r\nHost: www.example.com\r\n"
                                "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\n"
                                "Accept-Language: en\r\nConnection: keep-alive\r\n\r\n",
                            kProtocolTcp, 80});
        payloads.push_back({"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nServer: x\r\n\r\n" +
                                noise(i + 2, 1'300),
                            kProtocolTcp, 80});
        payloads.push_back(
            {std::string("\xc3\x00\x00\x00\x01\x08", 6) + noise(i + 3, 1'194), kProtocolUdp, 443});
        payloads.push_back({noise(i + 4, 2) + std::string("\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
                                                          "\x03www\x07"
                                                          "example\x03"
                                                          "com\x00\x00\x01\x00\x01",
                                                          31),
                            kProtocolUdp, 53});
        payloads.push_back({noise(i + 5, 1'400), kProtocolTcp, 8'443});
        payloads.push_back({noise(i + 6, 160), kProtocolUdp, 40'000});
        payloads.push_back({"SSH-2.0-OpenSSH_9.2\r\n", kProtocolTcp, 22});
    }
    for (std::size_t i = 0; i < payloads.size(); ++i) {
        payloads[i].flow = i;
    }
    return payloads;
}

OwnRules::OwnRules(Anywhere anywhere)
    : path_((std::filesystem::temp_directory_path() / "own_rules.XXXXXX").string()) {
    constexpr int kRules = 1'000;
    ::close(mkstemp(path_.data()));
    std::ofstream file(path_);
    file << "applications:\n";
    for (int i = 0; i < kRules; ++i) {
        file << "  - {name: own-" << i << ", id: " << 100'000 + i
             << ", category: own, protocol: [tcp, udp], patterns: ['OWN" << i
             << "/[0-9]{1,3} ', {match: '";
        if (anywhere == Anywhere::header) {
            file << "\\r\\nX-Own-" << i;
        } else {
            file << std::hex << mix64(static_cast<std::uint64_t>(i)) << std::dec;
        }
        file << ": [0-9a-f]{4,16}\\r', at: anywhere, from: client}]}\n";
    }
}

OwnRules::~OwnRules() {
    std::error_code ignored; // a file that stays lies in the folder for such things
    std::filesystem::remove(path_, ignored);
}

} // namespace bench

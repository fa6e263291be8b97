// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/ssh.hpp"

#include <array>

#include "probe/application/payload_reader.hpp"
#include "probe/application/text_lines.hpp"

namespace probe {

namespace {

constexpr std::uint16_t kPort = 22;

/// RFC 4253 section 7.1: the ten name-lists of SSH_MSG_KEXINIT.
enum NameList : std::size_t {
    kKeyExchange = 0,
    kEncryptionToServer = 2,
    kEncryptionToClient = 3,
    kMacToServer = 4,
    kMacToClient = 5,
    kCompressionToServer = 6,
    kCompressionToClient = 7,
    kNameLists = 10,
};

/// One binary packet (RFC 4253 section 6) that should be the KEXINIT; false when it is cut.
bool read_key_exchange(Bytes packet, bool client, ParserTools& tools,
                       ApplicationFields& fields) noexcept {
    constexpr std::uint32_t kPacketOctetsMax = 35'000; // section 6.1
    constexpr std::uint8_t kKexInit = 20;
    constexpr std::uint32_t kCookieOctets = 16;
    PayloadReader reader(packet);
    const std::uint32_t octets = reader.u32();
    if (reader.ok() && octets > kPacketOctetsMax) {
        return true; // no packet: nothing to wait for
    }
    reader.skip(1); // padding_length
    const std::uint8_t message = reader.u8();
    if (reader.ok() && message != kKexInit) {
        return true;
    }
    reader.skip(kCookieOctets);
    std::array<Bytes, kNameLists> lists;
    for (Bytes& list : lists) {
        list = reader.take(reader.u32());
    }
    if (!reader.ok()) {
        return packet.size() >= octets + std::size_t{4} && octets > 0;
    }
    auto& text = tools.text;
    text.clear();
    text.add(as_text(lists[kKeyExchange]));
    for (const NameList list :
         client ? std::array{kEncryptionToServer, kMacToServer, kCompressionToServer}
                : std::array{kEncryptionToClient, kMacToClient, kCompressionToClient}) {
        text.add(";");
        text.add(as_text(lists[list]));
    }
    Md5 digest;
    if (text.ok() && tools.crypto.md5(text.octets(), digest)) {
        TextBuffer<32> hex;
        hex.add_hex(digest);
        fields.set(client ? ApplicationField::ssh_hassh : ApplicationField::ssh_hassh_server,
                   hex.text());
    }
    return true;
}

} // namespace

Parsed parse_ssh(const Payload& payload, ParserTools& tools, ApplicationFields& fields) noexcept {
    constexpr std::string_view kStart = "SSH-";
    constexpr std::size_t kLineOctetsMax = 255; // RFC 4253 section 4.2
    std::string_view rest = as_text(payload.octets);
    const std::size_t common = std::min(rest.size(), kStart.size());
    if (rest.substr(0, common) != kStart.substr(0, common)) {
        return Parsed::not_mine;
    }
    const Line line = take_line(rest);
    if (common < kStart.size() || (!line.whole && line.text.size() <= kLineOctetsMax)) {
        return payload.more_or(Parsed::not_mine);
    }
    if (line.text.size() > kLineOctetsMax) {
        return Parsed::not_mine;
    }
    // The well-known port tells the sides apart where a flow's first packet was not the client's.
    const bool client = payload.source_port == kPort        ? false
                        : payload.destination_port == kPort ? true
                                                            : payload.direction == 0;
    const Bytes packet = payload.octets.subspan(payload.octets.size() - rest.size());
    const bool fingerprint = tools.fingerprints.hassh;
    const bool read =
        !fingerprint || (!packet.empty() && read_key_exchange(packet, client, tools, fields));
    fields.set(client ? ApplicationField::ssh_client_version : ApplicationField::ssh_server_version,
               line.text);
    return read ? Parsed::complete : payload.more_or(Parsed::complete);
}

} // namespace probe

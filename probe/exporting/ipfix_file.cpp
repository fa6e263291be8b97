// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/ipfix_file.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>

#include "probe/exporting/isal_compression.hpp"

namespace probe {
namespace {

constexpr std::size_t kPieceOctets = std::size_t{1} << 20U;

IpfixFile unpack(Bytes packed) {
    IpfixFile file;
    GzipReader reader;
    Bytes rest = packed;
    std::size_t used = 0;
    std::size_t whole = 0; // octets of `packed` whose members are complete
    for (bool more = true; more;) {
        file.octets.resize(used + kPieceOctets);
        std::span<std::uint8_t> room = std::span(file.octets).subspan(used);
        const GzipVerdict verdict = reader.read(rest, room);
        more = !rest.empty() || room.empty();
        used = file.octets.size() - room.size();
        if (verdict == GzipVerdict::end) whole = packed.size() - rest.size();
        if (verdict == GzipVerdict::bad) {
            file.complaint = "its gzip stream is damaged after octet " + std::to_string(whole);
            break;
        }
    }
    if (file.complaint.empty() && reader.in_member()) {
        file.complaint = "its gzip stream is cut after octet " + std::to_string(whole);
    }
    file.octets.resize(used);
    return file;
}

} // namespace

IpfixFile read_ipfix_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) {
        throw std::runtime_error(path + " cannot be read: " + std::strerror(errno));
    }
    IpfixFile file{{std::istreambuf_iterator<char>(in), {}}, {}};
    if (in.bad()) {
        throw std::runtime_error(path + " cannot be read: " + std::strerror(errno));
    }
    return looks_like_gzip(file.octets) ? unpack(file.octets) : file;
}

} // namespace probe

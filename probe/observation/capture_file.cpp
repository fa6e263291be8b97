// SPDX-License-Identifier: BSD-3-Clause
#include "probe/observation/capture_file.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

namespace probe {
namespace {

struct ForeignFormat {
    std::string_view magic;
    std::string_view remedy;
};

using namespace std::string_view_literals;

/// What else is found under the name of a capture, and what to do with it.
constexpr std::array kForeignFormats = {
    ForeignFormat{"\x1F\x8B"sv, "is compressed with gzip; unpack it with: gzip -d"sv},
    ForeignFormat{"\xFD"
                  "7zXZ\0"sv,
                  "is compressed with xz; unpack it with: xz -d"sv},
    ForeignFormat{"\x28\xB5\x2F\xFD"sv, "is compressed with zstd; unpack it with: zstd -d"sv},
    ForeignFormat{"BZh"sv, "is compressed with bzip2; unpack it with: bzip2 -d"sv},
    ForeignFormat{"\x04\x22\x4D\x18"sv, "is compressed with lz4; unpack it with: lz4 -d"sv},
    ForeignFormat{"snoop\0"sv, "is a snoop capture; convert it with: editcap -F pcapng"sv},
};

[[noreturn]] void refuse_foreign(Bytes octets, const std::string& name) {
    for (const ForeignFormat& format : kForeignFormats) {
        if (octets.size() >= format.magic.size() &&
            std::memcmp(octets.data(), format.magic.data(), format.magic.size()) == 0) {
            throw CaptureError(
                std::string(name).append(" ").append(format.remedy).append(" ").append(name));
        }
    }
    constexpr char kDigits[] = "0123456789abcdef";
    std::string magic;
    for (const std::uint8_t octet : octets.first(std::min<std::size_t>(octets.size(), 4))) {
        magic += kDigits[octet >> 4];
        magic += kDigits[octet & 0xF];
    }
    throw CaptureError(name + " is neither pcap nor pcapng: it starts with the octets " + magic +
                       "; convert it with: editcap -F pcapng " + name);
}

} // namespace

CaptureFile::Reader CaptureFile::make_reader(Bytes octets, const std::string& name) {
    if (octets.empty()) {
        throw CaptureError(name + " is empty: a capture has at least a file header");
    }
    std::uint32_t magic = 0;
    if (octets.size() < sizeof magic) {
        refuse_foreign(octets, name);
    }
    std::memcpy(&magic, octets.data(), sizeof magic);
    if (magic == PcapngReader::kSectionHeader) {
        return PcapngReader(octets);
    }
    if (!PcapReader::recognises(magic)) {
        refuse_foreign(octets, name);
    }
    if (octets.size() < PcapReader::kFileHeaderOctets) {
        throw CaptureError(name + " is cut inside the pcap file header: it has " +
                           std::to_string(octets.size()) + " octets, the header takes " +
                           std::to_string(PcapReader::kFileHeaderOctets));
    }
    return PcapReader(octets);
}

CaptureFile::CaptureFile(const std::string& path)
    : mapped_(path),
      octets_(mapped_.octets()),
      name_(path == "-" ? "standard input" : path),
      reader_(make_reader(octets_, name_)) {}

CaptureFile::CaptureFile(Bytes octets, std::string name)
    : octets_(octets), name_(std::move(name)), reader_(make_reader(octets_, name_)) {}

/// Makes sure that a packet is waiting, if there is one.
bool CaptureFile::look_ahead() noexcept {
    if (!has_waiting_ && state_ == CaptureRead::packet) {
        state_ =
            std::visit([this](auto& reader) noexcept { return reader.next(waiting_); }, reader_);
        has_waiting_ = state_ == CaptureRead::packet;
    }
    return has_waiting_;
}

std::uint32_t CaptureFile::poll(PacketBatch& batch, TimeNs now) noexcept {
    std::uint32_t size = 0;
    if (look_ahead() && waiting_.time_ns <= now) {
        batch.packets[size++] = waiting_;
        has_waiting_ = false;
        std::visit([&](auto& reader) noexcept { read_on(reader, batch, size, now); }, reader_);
    }
    batch.size = size;
    packets_ += size;
    return size;
}

/// Into the batch itself, but for the packet whose time has not come.
template <class Format>
void CaptureFile::read_on(Format& reader, PacketBatch& batch, std::uint32_t& size,
                          TimeNs now) noexcept {
    while (size < kBurstPackets) {
        PacketView& packet = batch.packets[size];
        state_ = reader.next(packet);
        if (state_ != CaptureRead::packet) {
            return;
        }
        if (packet.time_ns > now) {
            waiting_ = packet;
            has_waiting_ = true;
            return;
        }
        send_for_what_follows(packet);
        ++size;
    }
}

// Where the next record begins is known from this one's header alone, so each would be waited for.
// Lines one after the other in memory need no such knowledge: what lies some packets on is sent
// for.
void CaptureFile::send_for_what_follows(const PacketView& packet) const noexcept {
    constexpr std::uint64_t kAhead = 32 * kCacheLineBytes;
    const auto at = static_cast<std::uint64_t>(packet.octets - octets_.data());
    if (at + kAhead + kCacheLineBytes < octets_.size()) {
        __builtin_prefetch(packet.octets + kAhead);
        __builtin_prefetch(packet.octets + kAhead + kCacheLineBytes);
    }
}

TimeNs CaptureFile::next_time_ns() noexcept {
    return look_ahead() ? waiting_.time_ns : std::numeric_limits<TimeNs>::max();
}

bool CaptureFile::finished() noexcept {
    return !look_ahead();
}

std::string CaptureFile::broken() const {
    if (state_ != CaptureRead::broken) {
        return {};
    }
    // The packet that could not be read follows those handed out: nothing waits in a broken file.
    return name_ + ": " +
           std::visit(
               [this](const auto& reader) { return describe(reader.broken(), packets_ + 1); },
               reader_);
}

std::uint64_t CaptureFile::octets_done() const noexcept {
    return std::visit([](const auto& reader) noexcept { return reader.offset(); }, reader_);
}

} // namespace probe

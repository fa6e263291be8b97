// SPDX-License-Identifier: BSD-3-Clause
#include "probe/observation/capture_file.hpp"

#include <algorithm>
#include <array>
#include <cstring>
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

CaptureFile::Reader CaptureFile::make_reader(CaptureInput& input, const std::string& name,
                                             const std::atomic<bool>* stop) {
    while (input.window().size() < PcapReader::kFileHeaderOctets &&
           input.octets_total() != input.window().size()) {
        if (stop != nullptr && stop->load(std::memory_order_relaxed)) {
            throw CaptureError(name + " had nothing to read when it was stopped");
        }
        if (input.move_to(0) == CaptureInput::Moved::failed) {
            throw CaptureError(name + " cannot be read: " + std::strerror(input.error()));
        }
    }
    const Bytes start = input.window();
    if (start.empty()) {
        throw CaptureError(name + " is empty: a capture has at least a file header");
    }
    std::uint32_t magic = 0;
    if (start.size() < sizeof magic) {
        refuse_foreign(start, name);
    }
    std::memcpy(&magic, start.data(), sizeof magic);
    CaptureOctets octets;
    octets.set_window(start, 0, input.octets_total());
    if (magic == PcapngReader::kSectionHeader) {
        return PcapngReader(octets);
    }
    if (!PcapReader::recognises(magic)) {
        refuse_foreign(start, name);
    }
    if (start.size() < PcapReader::kFileHeaderOctets) {
        throw CaptureError(name + " is cut inside the pcap file header: it has " +
                           std::to_string(start.size()) + " octets, the header takes " +
                           std::to_string(PcapReader::kFileHeaderOctets));
    }
    return PcapReader(octets);
}

CaptureFile::CaptureFile(const std::string& path, const std::atomic<bool>* stop,
                         std::size_t window_octets)
    : name_(path == "-" ? "standard input" : path),
      input_(path, window_octets),
      reader_(make_reader(input_, name_, stop)) {}

CaptureFile::CaptureFile(Bytes octets, std::string name)
    : name_(std::move(name)), input_(octets), reader_(make_reader(input_, name_, nullptr)) {}

std::uint32_t CaptureFile::poll(PacketBatch& batch, TimeNs /*now*/) noexcept {
    batch.size = 0;
    if (state_ == CaptureRead::packet) {
        std::visit([&](auto& reader) noexcept { read_on(reader, batch); }, reader_);
    }
    packets_ += batch.size;
    return batch.size;
}

template <class Format>
void CaptureFile::read_on(Format& reader, PacketBatch& batch) noexcept {
    while (batch.size < kBurstPackets) {
        const CaptureRead read = reader.next(batch.packets[batch.size]);
        if (read == CaptureRead::packet) {
            ++batch.size;
        } else if (read != CaptureRead::more) {
            state_ = read;
            return;
        } else if (!move_window(reader, batch)) {
            return;
        }
    }
}

/// The packets of the batch move with it. False: nothing new.
template <class Format>
bool CaptureFile::move_window(Format& reader, PacketBatch& batch) noexcept {
    std::array<std::uint64_t, kBurstPackets> offsets{};
    for (std::uint32_t i = 0; i < batch.size; ++i) {
        const auto in_window = batch.packets[i].octets - input_.window().data();
        offsets[i] = input_.begin() + static_cast<std::uint64_t>(in_window);
    }
    const CaptureInput::Moved moved =
        input_.move_to(batch.size == 0 ? reader.offset() : offsets.front());
    for (std::uint32_t i = 0; i < batch.size; ++i) {
        batch.packets[i].octets = input_.window().data() + (offsets[i] - input_.begin());
    }
    reader.octets().set_window(input_.window(), input_.begin(), input_.octets_total());
    if (moved == CaptureInput::Moved::failed) {
        state_ = CaptureRead::broken;
    }
    return moved == CaptureInput::Moved::on;
}

bool CaptureFile::finished() const noexcept {
    return state_ != CaptureRead::packet;
}

std::string CaptureFile::broken() const {
    if (state_ != CaptureRead::broken) {
        return {};
    }
    if (input_.error() != 0) {
        return name_ + ": cannot be read on at octet " + std::to_string(octets_done()) + ": " +
               std::strerror(input_.error());
    }
    return name_ + ": " +
           std::visit(
               [this](const auto& reader) { return describe(reader.broken(), packets_ + 1); },
               reader_);
}

std::uint64_t CaptureFile::octets_done() const noexcept {
    return std::visit([](const auto& reader) noexcept { return reader.offset(); }, reader_);
}

} // namespace probe

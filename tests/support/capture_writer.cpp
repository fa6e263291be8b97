// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/capture_writer.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace probe::test {

void OrderedOctets::integer(std::uint64_t value, unsigned octets) {
    for (unsigned i = 0; i < octets; ++i) {
        const unsigned shift = 8 * (big_endian_ ? octets - 1 - i : i);
        octets_.push_back(static_cast<std::uint8_t>(value >> shift));
    }
}

PcapWriter::PcapWriter(const PcapVariant& variant) : variant_(variant), out_(variant.big_endian) {
    out_.u32(variant.magic);
    out_.u16(2);
    out_.u16(variant.minor_version);
    out_.u32(0);
    out_.u32(0);
    out_.u32(262'144);
    out_.u32(variant.linktype);
}

PcapWriter& PcapWriter::packet(std::uint32_t seconds, std::uint32_t fraction, Bytes octets,
                               std::optional<std::uint32_t> frame_octets) {
    const auto captured = static_cast<std::uint32_t>(octets.size());
    const std::uint32_t frame = frame_octets.value_or(captured);
    const bool swapped = variant_.minor_version < 3;
    out_.u32(seconds);
    out_.u32(fraction);
    out_.u32(swapped ? frame : captured);
    out_.u32(swapped ? captured : frame);
    if (variant_.magic == 0xA1B2CD34) {
        out_.u32(3);
        out_.u32(0);
    }
    out_.octets(octets);
    return *this;
}

PcapngWriter& PcapngWriter::block(std::uint32_t type, Bytes body) {
    OrderedOctets block(big_endian_);
    const auto padded = static_cast<std::uint32_t>((body.size() + 3) / 4 * 4);
    block.u32(type);
    block.u32(padded + 12);
    block.octets(body);
    block.pad_to_4();
    block.u32(padded + 12);
    out_.insert(out_.end(), block.get().begin(), block.get().end());
    return *this;
}

PcapngWriter& PcapngWriter::section(bool big_endian) {
    big_endian_ = big_endian;
    OrderedOctets body(big_endian_);
    body.u32(0x1A2B3C4D);
    body.u16(1);
    body.u16(0);
    body.u64(UINT64_MAX);
    return block(0x0A0D0D0A, body.get());
}

PcapngWriter& PcapngWriter::interface(const PcapngInterface& description) {
    OrderedOctets body(big_endian_);
    body.u16(description.linktype);
    body.u16(0);
    body.u32(description.snap_octets);
    body.u16(2); // if_name, to be skipped
    body.u16(3);
    body.octets(std::vector<std::uint8_t>{'e', 'n', '0'});
    body.pad_to_4();
    if (description.tsresol) {
        body.u16(9);
        body.u16(1);
        body.octets(std::vector<std::uint8_t>{*description.tsresol});
        body.pad_to_4();
    }
    if (description.tsoffset_s) {
        body.u16(14);
        body.u16(8);
        body.u64(static_cast<std::uint64_t>(*description.tsoffset_s));
    }
    body.u32(0);
    return block(1, body.get());
}

PcapngWriter& PcapngWriter::enhanced(std::uint32_t interface, std::uint64_t units, Bytes octets,
                                     std::optional<std::uint32_t> frame_octets) {
    const auto captured = static_cast<std::uint32_t>(octets.size());
    OrderedOctets body(big_endian_);
    body.u32(interface);
    body.u32(static_cast<std::uint32_t>(units >> 32));
    body.u32(static_cast<std::uint32_t>(units));
    body.u32(captured);
    body.u32(frame_octets.value_or(captured));
    body.octets(octets);
    return block(6, body.get());
}

PcapngWriter& PcapngWriter::simple(Bytes octets, std::uint32_t frame_octets) {
    OrderedOctets body(big_endian_);
    body.u32(frame_octets);
    body.octets(octets);
    return block(3, body.get());
}

PcapngWriter& PcapngWriter::obsolete(std::uint16_t interface, std::uint64_t units, Bytes octets) {
    const auto captured = static_cast<std::uint32_t>(octets.size());
    OrderedOctets body(big_endian_);
    body.u16(interface);
    body.u16(7); // drops
    body.u32(static_cast<std::uint32_t>(units >> 32));
    body.u32(static_cast<std::uint32_t>(units));
    body.u32(captured);
    body.u32(captured);
    body.octets(octets);
    return block(2, body.get());
}

TemporaryFile::TemporaryFile(Bytes octets)
    : path_((std::filesystem::temp_directory_path() / "parshall-test-XXXXXX").string()) {
    const int descriptor = ::mkstemp(path_.data());
    if (descriptor < 0) {
        throw std::runtime_error("cannot make " + path_);
    }
    const ::ssize_t written = ::write(descriptor, octets.data(), octets.size());
    ::close(descriptor);
    if (written != static_cast<::ssize_t>(octets.size())) {
        throw std::runtime_error("cannot write " + path_);
    }
}

TemporaryFile::~TemporaryFile() {
    ::unlink(path_.c_str());
}

} // namespace probe::test

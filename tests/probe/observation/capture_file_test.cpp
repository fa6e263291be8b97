// SPDX-License-Identifier: BSD-3-Clause
#include "probe/observation/capture_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/capture_writer.hpp"
#include "tests/support/catch.hpp"

namespace probe::test {
namespace {

constexpr TimeNs kForever = UINT64_MAX;

using Octets = std::vector<std::uint8_t>;

struct Read {
    std::vector<Octets> packets;
    std::vector<PacketView> views;
    std::string broken;
};

/// What is in the batch already, then all that follows.
Read read_all(CaptureFile& file, PacketBatch& batch) {
    Read read;
    do {
        for (std::uint32_t i = 0; i < batch.size; ++i) {
            const PacketView& view = batch.packets[i];
            read.packets.emplace_back(view.octets, view.octets + view.captured_octets);
            read.views.push_back(view);
        }
        file.release();
    } while (file.poll(batch, kForever) > 0);
    read.broken = file.broken();
    CHECK(file.finished());
    CHECK(file.packets() == read.packets.size());
    return read;
}

Read read_all(CaptureFile& file) {
    PacketBatch batch;
    return read_all(file, batch);
}

Read read_all(const Octets& octets) {
    CaptureFile file(octets, "test.pcap");
    return read_all(file);
}

std::string refusal(Bytes octets) {
    try {
        CaptureFile file(octets, "test.pcap");
    } catch (const CaptureError& error) {
        return error.what();
    }
    return "accepted";
}

std::string refusal(const std::string& path) {
    try {
        CaptureFile file(path);
    } catch (const CaptureError& error) {
        return error.what();
    }
    return "accepted";
}

const Octets kFirst = {1, 2, 3, 4, 5};
const Octets kSecond = {6, 7, 8};

TEST_CASE("pcap is read in every variant", "[capture][pcap]") {
    struct Row {
        std::uint32_t magic;
        std::uint16_t minor_version;
        TimeNs unit_ns;
    };
    for (const Row& row : {Row{0xA1B2C3D4, 4, 1'000}, Row{0xA1B23C4D, 4, 1},
                           Row{0xA1B2CD34, 4, 1'000}, Row{0xA1B2C3D4, 2, 1'000}}) {
        for (const bool big_endian : {false, true}) {
            INFO(std::hex << row.magic << (big_endian ? " big" : " little") << " endian");
            PcapWriter writer({row.magic, big_endian, 101, row.minor_version});
            writer.packet(1'700'000'000, 999'999, kFirst, 1500);
            writer.packet(4'294'967'295, 7, kSecond);
            const Read read = read_all(writer.get());
            CHECK(read.broken.empty());
            REQUIRE(read.packets == std::vector<Octets>{kFirst, kSecond});
            CHECK(read.views[0].time_ns == 1'700'000'000 * kNsPerSecond + 999'999 * row.unit_ns);
            CHECK(read.views[0].frame_octets == 1500);
            CHECK(read.views[0].link == LinkType::raw_ip);
            CHECK_FALSE(read.views[0].vlan_stripped);
            CHECK(read.views[1].time_ns == 4'294'967'295 * kNsPerSecond + 7 * row.unit_ns);
            CHECK(read.views[1].frame_octets == 3);
        }
    }
}

TEST_CASE("link types of captures are told apart", "[capture]") {
    const std::pair<std::uint32_t, LinkType> rows[] = {
        {0, LinkType::null_loopback},
        {1, LinkType::ethernet},
        {9, LinkType::ppp},
        {12, LinkType::raw_ip},
        {14, LinkType::raw_ip},
        {101, LinkType::raw_ip},
        {108, LinkType::null_loopback},
        {113, LinkType::linux_cooked},
        {228, LinkType::raw_ip},
        {229, LinkType::raw_ip},
        {276, LinkType::linux_cooked_2},
        {0x0400'0001, LinkType::ethernet}, // with a statement about check sequences
    };
    for (const auto& [linktype, expected] : rows) {
        INFO(linktype);
        const Read read = read_all(PcapWriter({.linktype = linktype}).packet(1, 2, kFirst).get());
        REQUIRE(read.views.size() == 1);
        CHECK(read.views[0].link == expected);
    }
}

TEST_CASE("a frame is never shorter than what was captured of it", "[capture]") {
    const Read read = read_all(PcapWriter().packet(1, 2, kFirst, 2).get());
    REQUIRE(read.views.size() == 1);
    CHECK(read.views[0].frame_octets == 5);
}

TEST_CASE("pcapng: blocks, interfaces, clocks and sections", "[capture][pcapng]") {
    for (const bool big_endian : {false, true}) {
        INFO((big_endian ? "big" : "little") << " endian");
        PcapngWriter writer(big_endian);
        writer.section()
            .interface({.linktype = 1})
            .interface({.linktype = 276, .tsresol = std::uint8_t{9}})
            .block(0x0000'0BAD, kFirst)
            .enhanced(0, 1'700'000'000'123'456, kFirst, 60)
            .enhanced(1, 1'700'000'000'123'456'789, kSecond)
            .obsolete(1, 5, kFirst)
            .simple(kSecond, 3)
            .section(!big_endian)
            .interface({.linktype = 101, .tsoffset_s = 1'000})
            .enhanced(0, 2'000'000, kSecond);
        const Read read = read_all(writer.get());
        CHECK(read.broken.empty());
        REQUIRE(read.packets == std::vector<Octets>{kFirst, kSecond, kFirst, kSecond, kSecond});
        CHECK(read.views[0].time_ns == 1'700'000'000'123'456'000);
        CHECK(read.views[0].frame_octets == 60);
        CHECK(read.views[0].link == LinkType::ethernet);
        CHECK(read.views[0].ingress_interface == 1);
        CHECK(read.views[1].time_ns == 1'700'000'000'123'456'789);
        CHECK(read.views[1].link == LinkType::linux_cooked_2);
        CHECK(read.views[1].ingress_interface == 2);
        CHECK(read.views[2].time_ns == 5);
        CHECK(read.views[3].time_ns == 5); // a simple packet has no time: the last one's
        CHECK(read.views[4].time_ns == 1'002 * kNsPerSecond);
        CHECK(read.views[4].link == LinkType::raw_ip);
    }
}

TEST_CASE("a simple packet is cut by its interface's snap length", "[capture][pcapng]") {
    PcapngWriter writer;
    writer.section().interface({.snap_octets = 5}).simple(kFirst, 1500);
    const Read read = read_all(writer.get());
    REQUIRE(read.packets == std::vector<Octets>{kFirst});
    CHECK(read.views[0].frame_octets == 1500);
}

TEST_CASE("pcapng clocks of any resolution become nanoseconds, saturating", "[capture][pcapng]") {
    struct Row {
        std::uint8_t tsresol;
        std::uint64_t units;
        std::int64_t offset_s;
        TimeNs expected;
    };
    constexpr std::int64_t kMin = INT64_MIN;
    constexpr std::int64_t kMax = INT64_MAX;
    const Row rows[] = {
        {0, 3, 0, 3 * kNsPerSecond},
        {3, 1'500, 0, 1'500 * kNsPerMs},
        {6, 7, -1, 0},
        {6, 2'000'000, -1, kNsPerSecond},
        {12, 1'999, 0, 1},
        {28, UINT64_MAX, 0, 1},
        {29, UINT64_MAX, 0, 0},
        {127, UINT64_MAX, 0, 0},
        {0x80 | 10, 1'536, 0, 1'500 * kNsPerMs},
        {0x80 | 63, UINT64_MAX, 0, 1'999'999'999},
        {0xFF, UINT64_MAX, 0, 0},
        {0, UINT64_MAX, 0, UINT64_MAX},
        {9, UINT64_MAX, kMax, UINT64_MAX},
        {9, UINT64_MAX, kMin, 0},
    };
    for (const Row& row : rows) {
        INFO(int{row.tsresol} << " " << row.units << " " << row.offset_s);
        PcapngWriter writer;
        writer.section()
            .interface({.tsresol = row.tsresol, .tsoffset_s = row.offset_s})
            .enhanced(0, row.units, kFirst);
        const Read read = read_all(writer.get());
        REQUIRE(read.views.size() == 1);
        CHECK(read.views[0].time_ns == row.expected);
    }
}

TEST_CASE("a pcap cut at any octet gives the packets before the cut and says where",
          "[capture][pcap]") {
    const Octets whole = PcapWriter().packet(1, 1, kFirst).packet(2, 2, kSecond).get();
    const std::size_t first_end = 24 + 16 + 5;
    for (std::size_t octets = 0; octets < whole.size(); ++octets) {
        INFO("cut to " << octets);
        const Octets cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(octets));
        if (octets < 24) {
            CHECK(refusal(Bytes(cut)) != "accepted");
            continue;
        }
        const Read read = read_all(cut);
        CHECK(read.packets.size() == (octets >= first_end ? 1 : 0));
        CHECK(read.broken.empty() == (octets == 24 || octets == first_end));
    }
    CHECK(read_all(Octets(whole.begin(), whole.begin() + 63)).broken ==
          "test.pcap: cut at octet 45: packet 2 announces 3 octets, 2 are left");
    CHECK(read_all(Octets(whole.begin(), whole.begin() + 46)).broken ==
          "test.pcap: cut at octet 45: the header of packet 2 takes 16 octets, 1 is left");
}

TEST_CASE("a pcapng cut at any octet gives the packets before the cut and says where",
          "[capture][pcapng]") {
    PcapngWriter writer;
    writer.section();
    std::vector<std::size_t> ends = {writer.get().size()};
    writer.interface();
    ends.push_back(writer.get().size());
    writer.enhanced(0, 1, kFirst);
    ends.push_back(writer.get().size());
    writer.obsolete(0, 1, kFirst);
    ends.push_back(writer.get().size());
    writer.simple(kSecond, 3);
    const Octets whole = writer.get();
    for (std::size_t octets = 4; octets < whole.size(); ++octets) {
        INFO("cut to " << octets);
        const Read read =
            read_all(Octets(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(octets)));
        CHECK(read.packets.size() ==
              static_cast<std::size_t>((octets >= ends[2] ? 1 : 0) + (octets >= ends[3] ? 1 : 0)));
        CHECK(read.broken.empty() == (std::find(ends.begin(), ends.end(), octets) != ends.end()));
    }
    CHECK(read_all(Octets(whole.begin(), whole.begin() + 30)).broken ==
          "test.pcap: cut at octet 28: the header of a block takes 12 octets, 2 are left");
}

TEST_CASE("broken pcapng files say what was expected", "[capture][pcapng]") {
    const auto broken = [](const PcapngWriter& writer) { return read_all(writer.get()).broken; };
    const auto changed = [](PcapngWriter writer, std::size_t at, std::uint8_t value) {
        Octets octets = writer.get();
        octets.at(at) = value;
        return read_all(octets).broken;
    };
    const PcapngWriter good = PcapngWriter().section().interface().enhanced(0, 1, kFirst);
    CHECK(broken(PcapngWriter().section().interface().enhanced(3, 1, kFirst)) ==
          "test.pcap: broken at octet 60: packet 1 is of interface 3, but only 1 are described "
          "before it");
    CHECK(changed(good, 8, 0xFF) ==
          "test.pcap: broken at octet 0: a section starts with FF3C2B1A, expected the byte-order "
          "magic 1A2B3C4D");
    CHECK(changed(good, 12, 2) ==
          "test.pcap: broken at octet 0: a section has the major version 2, expected 1");
    CHECK(changed(good, 32, 37) ==
          "test.pcap: broken at octet 28: a block announces 37 octets, expected a multiple of 4 "
          "with room for its fields");
    CHECK(changed(good, 56, 40) ==
          "test.pcap: broken at octet 28: a block of 32 octets ends with the length 40, expected "
          "the same length twice");
    CHECK(changed(good, 60 + 20, 9) ==
          "test.pcap: broken at octet 60: packet 1 announces 9 octets, its block has room for 8");
    CHECK(broken(PcapngWriter().section().block(1, kFirst)).find("announces 20 octets") ==
          std::string::npos); // eight octets of fields are just enough
    CHECK(broken(PcapngWriter().section().block(1, {})).find("announces 12 octets") !=
          std::string::npos);
    PcapngWriter many;
    many.section();
    for (std::uint32_t i = 0; i <= PcapngReader::kInterfacesMax; ++i) {
        many.interface();
    }
    CHECK(broken(many).find("a section describes more than 4096 interfaces") != std::string::npos);
}

TEST_CASE("what is no capture is refused with the remedy", "[capture]") {
    CHECK(refusal(Bytes{}) == "test.pcap is empty: a capture has at least a file header");
    CHECK(refusal(Octets{0x1F, 0x8B, 8, 0}) ==
          "test.pcap is compressed with gzip; unpack it with: gzip -d test.pcap");
    CHECK(refusal(Octets{0xFD, '7', 'z', 'X', 'Z', 0}) ==
          "test.pcap is compressed with xz; unpack it with: xz -d test.pcap");
    CHECK(refusal(Octets{0x28, 0xB5, 0x2F, 0xFD, 0}) ==
          "test.pcap is compressed with zstd; unpack it with: zstd -d test.pcap");
    CHECK(refusal(Octets{'h', 'e', 'l', 'l', 'o'}) ==
          "test.pcap is neither pcap nor pcapng: it starts with the octets 68656c6c; convert it "
          "with: editcap -F pcapng test.pcap");
    CHECK(refusal(Octets{'h', 'e'}).find("starts with the octets 6865;") != std::string::npos);
    CHECK(refusal(Octets{0xD4, 0xC3, 0xB2, 0xA1, 2, 0}) ==
          "test.pcap is cut inside the pcap file header: it has 6 octets, the header takes 24");
    CHECK(refusal(std::string("/no/such.pcap")) ==
          "/no/such.pcap cannot be opened: No such file or directory");
    CHECK(refusal(std::string("/")) == "/ is a directory: name the capture files in it");
    const TemporaryFile empty{Bytes{}};
    CHECK(refusal(empty.path()) ==
          empty.path() + " is empty: a capture has at least a file header");
}

TEST_CASE("a file's progress is told", "[capture]") {
    PcapWriter writer;
    for (std::uint32_t i = 0; i < 100; ++i) {
        writer.packet(i, 0, kFirst);
    }
    const TemporaryFile temporary(writer.get());
    CaptureFile file(temporary.path());
    CHECK(file.octets_total() == writer.get().size());
    CHECK(file.octets_done() == 24);
    PacketBatch batch;
    CHECK(file.poll(batch, kForever) == kBurstPackets);
    CHECK(file.packets() == kBurstPackets);
    CHECK(file.octets_done() == 24 + 64 * 21);
    CHECK_FALSE(file.finished());
    CHECK(file.poll(batch, kForever) == 36);
    CHECK(file.finished());
    CHECK(file.poll(batch, kForever) == 0);
    CHECK(file.broken().empty());
    CHECK(file.octets_done() == file.octets_total());
}

/// Packets of all sizes up to `octets_max`, each of one value.
std::vector<Octets> packets_of_many_sizes(std::size_t octets_max) {
    std::vector<Octets> packets;
    for (std::size_t octets = 0; octets <= octets_max; octets += 1 + octets / 7) {
        packets.emplace_back(octets, static_cast<std::uint8_t>(packets.size()));
    }
    return packets;
}

TEST_CASE("a window of any size gives the same packets", "[capture]") {
    const std::vector<Octets> packets = packets_of_many_sizes(3'000);
    PcapWriter pcap;
    PcapngWriter pcapng;
    pcapng.section().interface();
    for (std::uint32_t i = 0; i < packets.size(); ++i) {
        pcap.packet(i, 0, packets[i]);
        pcapng.enhanced(0, i, packets[i]).block(0x0000'0BAD, packets[i]);
    }
    for (const Octets& octets : {pcap.get(), pcapng.get()}) {
        const TemporaryFile temporary(octets);
        for (std::size_t window = 1; window < octets.size(); window += 1 + window / 3) {
            INFO("a window of " << window);
            CaptureFile file(temporary.path(), nullptr, window);
            PacketBatch batch;
            CHECK(file.poll(batch, kForever) == std::min<std::size_t>(packets.size(), 64));
            const Read read = read_all(file, batch);
            CHECK(read.broken.empty());
            CHECK(read.packets == packets);
            CHECK(file.octets_done() == octets.size());
        }
    }
}

TEST_CASE("a cut is told as it is whatever the window", "[capture]") {
    const Octets pcap = PcapWriter().packet(1, 1, kFirst).packet(2, 2, kSecond).get();
    PcapngWriter writer;
    writer.section().interface().enhanced(0, 1, kFirst).simple(kSecond, 3);
    for (const Octets& whole : {pcap, writer.get()}) {
        for (std::size_t octets = 28; octets < whole.size(); ++octets) {
            const Octets cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(octets));
            const TemporaryFile temporary(cut);
            const Read expected = read_all(cut);
            for (const std::size_t window : {1U, 24U, 33U}) {
                INFO("cut to " << octets << ", a window of " << window);
                CaptureFile file(temporary.path(), nullptr, window);
                const Read read = read_all(file);
                CHECK(read.packets == expected.packets);
                const std::string name = read.broken.empty() ? "" : temporary.path();
                CHECK(read.broken.substr(name.size()) ==
                      expected.broken.substr(std::min<std::size_t>(expected.broken.size(), 9)));
            }
        }
    }
}

TEST_CASE("a file that is shortened while it is read ends there", "[capture]") {
    PcapWriter writer;
    const Octets packet(1'000, 0x42);
    for (std::uint32_t i = 0; i < 100; ++i) {
        writer.packet(i, 0, packet);
    }
    const TemporaryFile temporary(writer.get());
    CaptureFile file(temporary.path(), nullptr, 4'096);
    PacketBatch batch;
    REQUIRE(file.poll(batch, kForever) == kBurstPackets);
    REQUIRE(::truncate(temporary.path().c_str(), 24 + 80 * 1'016 + 100) == 0);
    while (file.poll(batch, kForever) != 0) {
    }
    CHECK(file.packets() == 80);
    CHECK(file.broken() ==
          temporary.path() + ": cut at octet 81304: packet 81 announces 1000 octets, 84 are left");
}

TEST_CASE("a length that nothing has is not read into memory", "[capture]") {
    PcapWriter writer;
    writer.packet(1, 0, kFirst);
    Octets octets = writer.get();
    octets[24 + 8 + 3] = 0x10; // 0x10000005 octets
    const TemporaryFile temporary(octets);
    REQUIRE(::truncate(temporary.path().c_str(), std::int64_t{1} << 30) == 0); // no block of it
    CaptureFile file(temporary.path());
    PacketBatch batch;
    CHECK(file.poll(batch, kForever) == 0);
    CHECK(file.broken() ==
          temporary.path() +
              ": broken at octet 24: a record announces 268435461 octets, the most is 134217728");
}

/// A FIFO by a path, removed at the end.
class Fifo {
  public:
    Fifo() : path_(place_.path() + ".fifo") { REQUIRE(::mkfifo(path_.c_str(), 0600) == 0); }
    ~Fifo() { ::unlink(path_.c_str()); }
    Fifo(const Fifo&) = delete;
    Fifo& operator=(const Fifo&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    TemporaryFile place_{Bytes{}};
    std::string path_;
};

TEST_CASE("a stream's packets come as they are written", "[capture]") {
    const Fifo fifo;
    const Octets octets =
        PcapWriter().packet(1, 0, kFirst).packet(2, 0, kSecond).packet(3, 0, kFirst).get();
    const int writer = ::open(fifo.path().c_str(), O_RDWR | O_CLOEXEC); // does not wait for us
    REQUIRE(writer >= 0);
    const auto write = [&](std::size_t from, std::size_t to) {
        REQUIRE(::write(writer, octets.data() + from, to - from) ==
                static_cast<::ssize_t>(to - from));
    };
    write(0, 24);
    CaptureFile file(fifo.path());
    PacketBatch batch;
    CHECK(file.poll(batch, kForever) == 0);
    CHECK_FALSE(file.finished());
    write(24, 24 + 21 + 10); // one packet, and some of the next one's header
    REQUIRE(file.poll(batch, kForever) == 1);
    CHECK(batch.packets[0].time_ns == kNsPerSecond);
    CHECK(file.poll(batch, kForever) == 0);
    CHECK(file.octets_total() == CaptureInput::kUnknown);
    write(24 + 21 + 10, octets.size() - 1);
    REQUIRE(file.poll(batch, kForever) == 1);
    CHECK(batch.packets[0].captured_octets == kSecond.size());
    ::close(writer); // and with it the stream ends in the middle of a packet
    CHECK(file.poll(batch, kForever) == 0);
    CHECK(file.finished());
    CHECK(file.broken() ==
          fifo.path() + ": cut at octet 64: packet 3 announces 5 octets, 4 are left");
    CHECK(file.octets_total() == octets.size() - 1);
}

TEST_CASE("a stream is not waited for when it is to stop", "[capture]") {
    const Fifo fifo;
    const int writer = ::open(fifo.path().c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(writer >= 0);
    const std::atomic<bool> stop{true};
    CHECK_THROWS_WITH(CaptureFile(fifo.path(), &stop),
                      fifo.path() + " had nothing to read when it was stopped");
    ::close(writer);
}

TEST_CASE("a stream larger than any pipe is read to its end", "[capture]") {
    const Fifo fifo;
    PcapWriter written;
    const Octets large(60'000, 0x42);
    for (std::uint32_t i = 0; i < 40; ++i) {
        written.packet(i, 0, large);
    }
    const TemporaryFile source(written.get());
    const std::string command = "cat " + source.path() + " > " + fifo.path();
    int status = -1;
    std::thread writer([&] { status = std::system(command.c_str()); });
    CaptureFile file(fifo.path());
    PacketBatch batch;
    while (!file.finished()) {
        const std::uint32_t size = file.poll(batch, kForever);
        for (std::uint32_t i = 0; i < size; ++i) {
            const PacketView& view = batch.packets[i];
            CHECK(Octets(view.octets, view.octets + view.captured_octets) == large);
        }
    }
    writer.join();
    CHECK(status == 0);
    CHECK(file.broken().empty());
    CHECK(file.packets() == 40);
}

} // namespace
} // namespace probe::test

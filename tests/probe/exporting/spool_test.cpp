// SPDX-License-Identifier: BSD-3-Clause
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "encoder/wire_format.hpp"
#include "probe/exporting/record_spool.hpp"
#include "tests/probe/exporting/support.hpp"
#include "tests/support/catch.hpp"

namespace fs = std::filesystem;
using namespace exporting_test;
using probe::kNsPerMs;
using probe::kNsPerSecond;
using probe::LossReason;
using probe::RecordTally;

namespace {

class Folder {
  public:
    Folder() : path_(fs::temp_directory_path() / ("parshall_spool_" + std::to_string(getpid()))) {
        fs::remove_all(path_);
    }
    ~Folder() { fs::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    [[nodiscard]] std::string text() const { return path_.string(); }
    [[nodiscard]] std::vector<fs::path> files() const {
        std::vector<fs::path> found;
        for (const auto& entry : fs::directory_iterator(path_)) {
            if (entry.path().extension() == ".gz") found.push_back(entry.path());
        }
        std::sort(found.begin(), found.end());
        return found;
    }

  private:
    fs::path path_;
};

/// A TCP session with a spool whose thread's work is done at every step.
struct SpoolBench {
    explicit SpoolBench(const Folder& folder, std::uint64_t octets_max = std::uint64_t{1} << 30,
                        probe::SpoolThread thread = probe::SpoolThread::callers,
                        const std::vector<ipfix::TemplateRecord>& known = templates()) {
        probe::CollectorOptions collector = collector_named("tcp://spool.test");
        collector.spool = {folder.text(), octets_max};
        probe::ExportOptions options;
        options.queue_octets = 1024 * 1024;
        wire->is_reliable = true;
        session = std::make_unique<probe::CollectorSession>(
            collector, options, kDomain, known, std::make_unique<ScriptedTransport>(wire));
        session->open_spool(kDomain, known, {}, thread);
        by_hand = thread == probe::SpoolThread::callers;
        step(0);
    }

    void append(std::uint64_t count) {
        for (; count > 0; --count, ++next)
            session->append({0, ipv4_record(next), {next % 100, 40 * next}}, now);
        if (by_hand) session->spool()->work();
        check_balance(session->ledger());
    }
    void step(probe::TimeNs later) {
        now += later;
        session->step(now);
        if (by_hand) session->spool()->work();
        check_balance(session->ledger());
        decode();
    }
    void steps_until_sent() {
        for (int n = 0; n < 100'000 && !(session->idle() && session->ledger().spooled.records == 0);
             ++n) {
            step(kNsPerMs);
        }
        CHECK(session->ledger().spooled.records == 0);
    }
    /// Messages go as they are decoded: there are many.
    void decode() {
        if (hurried) return decode_hurried();
        for (const Octets& message : wire->messages)
            decoder.message(message);
        wire->messages.clear();
        for (const strict::Record& record : decoder.take_records())
            got.push_back(record.number(2));
    }
    /// Numbers of template 256 only, and no other judgement: for millions of records.
    void decode_hurried() {
        for (const Octets& message : wire->messages) {
            for (std::size_t at = 16; at < message.size();) {
                const std::size_t end = at + message[at + 2] * 256U + message[at + 3];
                const bool data = message[at] == 1 && message[at + 1] == 0;
                for (at += 4; data && at < end; at += 12)
                    got.push_back(ipfix::load_be<std::uint64_t>(&message[at + 4]));
                at = end;
            }
        }
        wire->messages.clear();
    }
    void disconnect() const { wire->connected = false; }
    void connect() {
        wire->connected = true;
        ++wire->sessions;
        decoder.new_session();
    }
    void end() {
        session->close(now);
        for (int n = 0; n < 100 && !session->idle(); ++n)
            step(100 * kNsPerMs);
        session->abandon();
        check_balance(session->ledger());
        decode();
    }

    std::shared_ptr<ScriptedTransport::State> wire = std::make_shared<ScriptedTransport::State>();
    probe::TimeNs now = kStart;
    std::uint64_t next = 0;
    strict::Decoder decoder{strict::Rules{}};
    std::vector<std::uint64_t> got;
    std::unique_ptr<probe::CollectorSession> session;
    bool by_hand = true;
    bool hurried = false;
};

void flip(const fs::path& file, std::uint64_t at) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(at));
    const int octet = stream.get();
    stream.seekp(static_cast<std::streamoff>(at));
    stream.put(static_cast<char>(octet ^ 0x10));
}

} // namespace

TEST_CASE("weights of any size come back from a block, and any changed octet is noticed",
          "[spool]") {
    probe::BlockCompressor compressor;
    std::vector<std::uint8_t> weights(100);
    const probe::RecordWeight heaviest{UINT64_MAX, UINT64_MAX};
    std::size_t used = probe::put_spool_weight({0, 127}, weights.data());
    used += probe::put_spool_weight(heaviest, &weights[used]);
    const Octets message(3000, 7);
    std::vector<std::uint8_t> block(probe::spool_block_octets_max());
    const std::size_t octets = probe::encode_spool_block(message, probe::Bytes(weights).first(used),
                                                         {2, 5, 6}, compressor, block);
    REQUIRE(octets > 0);
    block.resize(octets);
    const auto header = probe::read_spool_header(block);
    REQUIRE(header);
    CHECK(header->member_octets == octets);
    CHECK(header->tally == RecordTally{2, 5, 6});
    Octets out(65535);
    CHECK(probe::decode_spool_block(block, *header, compressor, out) == message.size());
    probe::Bytes rest = probe::Bytes(block).subspan(probe::kSpoolHeaderOctets, used);
    probe::RecordWeight weight;
    REQUIRE(probe::take_spool_weight(rest, weight));
    CHECK(weight.octets == 127);
    REQUIRE(probe::take_spool_weight(rest, weight));
    CHECK(weight.packets == UINT64_MAX);
    CHECK_FALSE(probe::take_spool_weight(rest, weight));
    for (std::size_t at = 16; at < octets; ++at) {
        block[at] ^= 0x01;
        const auto harmed = probe::read_spool_header(block);
        CHECK((!harmed || probe::decode_spool_block(block, *harmed, compressor, out) == 0));
        block[at] ^= 0x01;
    }
    for (std::size_t cut = 0; cut < octets; ++cut)
        CHECK_FALSE(probe::spool_block_is_whole(probe::Bytes(block).first(cut)));
}

TEST_CASE("a gzip reader makes an IPFIX file of a spool file", "[spool]") {
    const Folder folder;
    SpoolBench bench(folder);
    bench.disconnect();
    bench.step(2 * kNsPerSecond);
    bench.append(20'000);
    bench.step(2 * kNsPerSecond);
    REQUIRE(folder.files().size() == 1);
    std::ifstream file(folder.files()[0], std::ios::binary);
    const Octets compressed{std::istreambuf_iterator<char>(file), {}};
    probe::Bytes in(compressed);
    Octets out(10'000'000);
    std::span<std::uint8_t> room(out);
    probe::GzipReader reader;
    while (!in.empty())
        REQUIRE(reader.read(in, room) != probe::GzipVerdict::bad);
    strict::Decoder decoder{strict::Rules{}};
    for (std::size_t at = 0; at < out.size() - room.size();) {
        const std::size_t length = out[at + 2] * 256U + out[at + 3];
        decoder.message(Octets(out.begin() + static_cast<std::ptrdiff_t>(at),
                               out.begin() + static_cast<std::ptrdiff_t>(at + length)));
        at += length;
    }
    INFO(decoder.complaint());
    CHECK(numbers(decoder) == counting(0, 20'000));
}

TEST_CASE("a collector that is away for 60 s at 100,000 records a second loses none", "[spool]") {
    const Folder folder;
    SpoolBench bench(folder);
    bench.hurried = true;
    bench.append(1000);
    bench.step(kNsPerSecond);
    bench.disconnect();
    for (int ms = 0; ms < 60'000; ms += 10) {
        bench.append(1000);
        bench.step(10 * kNsPerMs);
    }
    CHECK(bench.session->ledger().spooled.records > 5'000'000);
    bench.connect();
    for (int ms = 0; ms < 1000; ms += 10) { // and newer ones while the old ones are replayed
        bench.append(1000);
        bench.step(10 * kNsPerMs);
    }
    bench.steps_until_sent();
    CHECK(bench.session->ledger().lost_total() == RecordTally{});
    CHECK(bench.got.size() == bench.next);
    CHECK(std::is_sorted(bench.got.begin(), bench.got.end())); // in order
    CHECK(bench.got.back() == bench.next - 1);
    CHECK(folder.files().empty());
}

TEST_CASE("a collector that is slow gets its records by way of the disk, in order", "[spool]") {
    const Folder folder;
    SpoolBench bench(folder);
    for (int round = 0; round < 100; ++round) {
        bench.wire->answers.assign(3, probe::SendVerdict::sent);
        bench.wire->answers.push_back(probe::SendVerdict::would_block);
        bench.append(2000);
        bench.step(kNsPerMs);
    }
    CHECK(bench.session->ledger().spooled.records > 100'000);
    bench.wire->answers.clear();
    bench.steps_until_sent();
    CHECK(bench.got == counting(0, 200'000));
}

TEST_CASE("a spool takes what it may and counts the rest", "[spool]") {
    const Folder folder;
    SpoolBench bench(folder, 256 * 1024);
    bench.disconnect();
    bench.step(2 * kNsPerSecond);
    for (int n = 0; n < 40; ++n) {
        bench.append(10'000);
        bench.step(kNsPerMs);
    }
    const auto& ledger = bench.session->ledger();
    CHECK(lost(ledger, LossReason::spool_full).records > 0);
    CHECK(ledger.spooled.records > 0);
    std::uint64_t octets = 0;
    for (const fs::path& file : folder.files())
        octets += fs::file_size(file);
    CHECK(octets <= 256 * 1024);
    const std::uint64_t kept = ledger.spooled.records;
    bench.connect();
    bench.steps_until_sent();
    CHECK(bench.got.size() == kept);
    CHECK(ledger.lost_total() == lost(ledger, LossReason::spool_full));
}

TEST_CASE("a directory that goes away is counted and not fatal", "[spool]") {
    const Folder folder;
    SpoolBench bench(folder);
    fs::remove_all(folder.text());
    bench.disconnect();
    bench.step(2 * kNsPerSecond);
    bench.append(30'000);
    bench.step(2 * kNsPerSecond);
    bench.step(kNsPerMs);
    CHECK(lost(bench.session->ledger(), LossReason::spool_error).records == 30'000);
    fs::create_directory(folder.text());
    bench.append(30'000);
    bench.step(2 * kNsPerSecond);
    bench.connect();
    bench.steps_until_sent();
    CHECK(bench.got == counting(30'000, 30'000));
}

TEST_CASE("after a kill -9 the next process sends what was on disk, once", "[spool]") {
    const Folder folder;
    std::uint64_t sent = 0;
    {
        SpoolBench killed(folder);
        killed.disconnect();
        killed.step(2 * kNsPerSecond);
        killed.append(100'000);
        killed.step(2 * kNsPerSecond); // all blocks are on disk
        killed.connect();
        killed.step(kNsPerMs);
        killed.step(kNsPerMs);
        sent = killed.got.size();
        REQUIRE(sent > 0);
    } // and nothing was ended
    SpoolBench next(folder);
    const RecordTally recovered = next.session->ledger().recovered;
    CHECK(recovered.records > 50'000);
    CHECK(recovered.records < 100'000 - sent + 1);
    next.steps_until_sent();
    CHECK(next.got == counting(100'000 - recovered.records, recovered.records));
    CHECK(next.session->ledger().sent == recovered);
    CHECK(next.session->ledger().offered.records == 0);
}

TEST_CASE("a block torn in mid-write is counted, and those before it are sent", "[spool]") {
    const Folder folder;
    {
        SpoolBench killed(folder);
        killed.disconnect();
        killed.step(2 * kNsPerSecond);
        killed.append(20'000);
        killed.step(2 * kNsPerSecond);
    }
    REQUIRE(folder.files().size() == 1);
    const fs::path file = folder.files()[0];
    fs::resize_file(file, fs::file_size(file) - 10);
    SpoolBench next(folder);
    const auto& ledger = next.session->ledger();
    CHECK(ledger.recovered.records == 20'000);
    const RecordTally damaged = lost(ledger, LossReason::spool_damaged);
    CHECK(damaged.records > 0);
    CHECK(damaged.records < 10'000);
    next.steps_until_sent();
    CHECK(next.got == counting(0, 20'000 - damaged.records));
}

TEST_CASE("a block that the disk changed is counted, found at the start or later", "[spool]") {
    const bool later = GENERATE(false, true);
    const Folder folder;
    auto first = std::make_unique<SpoolBench>(folder);
    first->disconnect();
    first->step(2 * kNsPerSecond);
    first->append(20'000);
    first->step(2 * kNsPerSecond);
    if (!later) first.reset();
    flip(folder.files()[0], 300);
    SpoolBench* bench = first.get();
    std::unique_ptr<SpoolBench> second;
    if (!later) {
        second = std::make_unique<SpoolBench>(folder);
        bench = second.get();
    } else {
        bench->connect();
    }
    bench->steps_until_sent();
    const RecordTally damaged = lost(bench->session->ledger(), LossReason::spool_damaged);
    CHECK(damaged.records > 0);
    CHECK(bench->got == counting(damaged.records, 20'000 - damaged.records));
}

TEST_CASE("a shutdown with the collector away leaves everything to the next process, in order",
          "[spool]") {
    const Folder folder;
    RecordTally left;
    {
        SpoolBench bench(folder);
        bench.append(500); // in memory when the collector goes
        bench.disconnect();
        bench.step(2 * kNsPerSecond);
        bench.append(50'000);
        bench.end();
        left = bench.session->ledger().spooled;
        CHECK(left.records == 50'500);
        CHECK(bench.session->ledger().lost_total().records == 0);
    }
    {
        SpoolBench bench(folder); // replays some of it, and is ended in the middle
        CHECK(bench.session->ledger().recovered == left);
        bench.step(kNsPerMs);
        bench.step(kNsPerMs);
        bench.disconnect();
        bench.step(2 * kNsPerSecond);
        bench.end();
        const std::uint64_t sent = bench.session->ledger().sent.records;
        CHECK(sent > 0);
        CHECK(bench.got == counting(0, sent));
        left = bench.session->ledger().spooled;
        CHECK(left.records == 50'500 - sent);
    }
    SpoolBench last(folder);
    CHECK(last.session->ledger().recovered == left);
    last.steps_until_sent();
    CHECK(last.got == counting(50'500 - left.records, left.records));
}

TEST_CASE("templates of another run: the same layout under another id is sent, another one counted",
          "[spool]") {
    const Folder folder;
    {
        SpoolBench bench(folder);
        bench.disconnect();
        bench.step(2 * kNsPerSecond);
        bench.append(10);
        bench.session->append({1, ipv6_record(10), {7, 70}}, bench.now);
        bench.end();
    }
    const ipfix::TemplateRecord renumbered(
        300, "renumbered", {templates()[0].fields().begin(), templates()[0].fields().end()});
    const std::vector<ipfix::TemplateRecord> known = {renumbered};
    SpoolBench next(folder, std::uint64_t{1} << 30, probe::SpoolThread::callers, known);
    CHECK(next.session->ledger().recovered.records == 11);
    next.steps_until_sent();
    CHECK(next.got == counting(0, 10));
    CHECK(lost(next.session->ledger(), LossReason::template_changed) == RecordTally{1, 7, 70});
}

TEST_CASE("two processes do not share a spool", "[spool]") {
    const Folder folder;
    const SpoolBench first(folder);
    CHECK_THROWS_WITH(SpoolBench(folder), Catch::Contains("another process spools"));
}

TEST_CASE("the spool's own thread does the same", "[spool]") {
    const Folder folder;
    {
        SpoolBench bench(folder, std::uint64_t{1} << 30, probe::SpoolThread::own);
        bench.disconnect();
        bench.step(2 * kNsPerSecond);
        for (int n = 0; n < 100; ++n) {
            bench.append(1000);
            bench.step(kNsPerMs);
        }
        bench.connect();
        for (int n = 0; n < 3; ++n)
            bench.step(kNsPerMs);
        bench.disconnect();
        bench.step(kNsPerMs);
        bench.end();
        CHECK(bench.session->ledger().lost_total().records == 0);
        CHECK(bench.got == counting(0, bench.session->ledger().sent.records));
    }
    SpoolBench next(folder);
    next.steps_until_sent();
    CHECK(next.got.size() == next.session->ledger().recovered.records);
    CHECK(next.got.back() == 99'999);
    CHECK(std::is_sorted(next.got.begin(), next.got.end()));
}

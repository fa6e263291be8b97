// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/file_transport.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "probe/exporting/isal_compression.hpp"
#include "tests/probe/exporting/support.hpp"
#include "tests/support/catch.hpp"

using namespace exporting_test;
using probe::FileOptions;
using probe::FileTransport;
using probe::kNsPerSecond;
using probe::SendError;

namespace {

struct TemporaryFolder {
    TemporaryFolder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
    ~TemporaryFolder() {
        std::error_code gone;
        std::filesystem::remove_all(path, gone);
    }
    /// Names of what is in it, sorted.
    std::vector<std::string> names() const {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(path)) {
            names.push_back(entry.path().filename());
        }
        std::sort(names.begin(), names.end());
        return names;
    }
    std::string file() const { return path + "/flows.ipfix"; }
    std::string path = "/tmp/parshall-test-XXXXXX";
};

/// The kernel's own limit on file size: a disk that fills up in mid-message.
struct FileSizeLimit {
    explicit FileSizeLimit(rlim_t octets) {
        previous_handler = std::signal(SIGXFSZ, SIG_IGN);
        REQUIRE(::getrlimit(RLIMIT_FSIZE, &previous) == 0);
        const rlimit limit{octets, previous.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
    }
    ~FileSizeLimit() { lift(); }
    void lift() const {
        ::setrlimit(RLIMIT_FSIZE, &previous);
        std::signal(SIGXFSZ, previous_handler);
    }
    rlimit previous{};
    void (*previous_handler)(int) = nullptr;
};

Octets contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// All members that are whole.
Octets gunzip(const Octets& file) {
    probe::GzipReader reader;
    Octets plain(file.size() * 100 + 1000);
    std::span<std::uint8_t> room = plain;
    probe::Bytes rest = file;
    while (!rest.empty() && reader.read(rest, room) != probe::GzipVerdict::bad) {
    }
    CHECK(rest.empty());
    plain.resize(plain.size() - room.size());
    return plain;
}

strict::Decoder decode(const std::string& path) {
    strict::Decoder decoder;
    const Octets file = contents(path);
    decoder.stream(probe::looks_like_gzip(file) ? gunzip(file) : file);
    INFO(decoder.complaint());
    CHECK(decoder.violations().empty());
    return decoder;
}

struct FileSession {
    explicit FileSession(const std::string& path, const FileOptions& options = {})
        : session(collector_named(path), {}, kDomain, templates(),
                  std::make_unique<FileTransport>(path, path, options, nullptr)) {}
    void append(std::uint64_t first, std::uint64_t count) {
        for (std::uint64_t number = first; number < first + count; ++number) {
            session.append({0, ipv4_record(number), {1, 10}}, now);
        }
    }
    void step(probe::TimeNs later) {
        now += later;
        session.step(now);
        check_balance(session.ledger());
    }
    probe::TimeNs now = kStart;
    probe::CollectorSession session;
};

} // namespace

TEST_CASE("an IPFIX file starts with templates and holds every record", "[file][rfc5655]") {
    const TemporaryFolder folder;
    FileSession file(folder.file());
    file.append(0, 10'000);
    file.session.close(file.now);
    REQUIRE(file.session.idle());
    const auto decoder = decode(folder.file());
    CHECK(numbers(decoder) == counting(0, 10'000));
    CHECK(decoder.template_records() == 2);
    CHECK(file.session.ledger().sent.records == 10'000);
}

TEST_CASE("a file without flows still names its templates, and replaces an older one", "[file]") {
    const TemporaryFolder folder;
    std::ofstream(folder.file()) << std::string(5000, 'x');
    FileSession file(folder.file());
    file.step(0);
    file.session.close(file.now);
    CHECK(decode(folder.file()).template_records() == 2);
}

TEST_CASE("a disk that fills up in mid-message leaves whole messages and loses nothing", "[file]") {
    const TemporaryFolder folder;
    FileSession file(folder.file());
    file.append(0, 5000); // about four messages of 16 KiB
    const FileSizeLimit limit(40'000);
    file.step(kNsPerSecond);
    CHECK(errors(file.session.ledger(), SendError::storage) == 1);
    CHECK(file.session.ledger().queued.records > 0);
    const std::uint64_t sent = file.session.ledger().sent.records;
    CHECK(decode(folder.file()).data_records() == sent);
    file.step(kNsPerSecond / 2); // not yet again
    CHECK(errors(file.session.ledger(), SendError::storage) == 1);
    file.step(kNsPerSecond);
    CHECK(errors(file.session.ledger(), SendError::storage) == 2);
    SECTION("there is room again") {
        limit.lift();
        file.step(kNsPerSecond);
        file.session.close(file.now);
        CHECK(numbers(decode(folder.file())) == counting(0, 5000));
    }
    SECTION("there never is") {
        file.session.close(file.now);
        file.session.abandon();
        CHECK(lost(file.session.ledger(), probe::LossReason::shutdown).records == 5000 - sent);
        check_balance(file.session.ledger());
        limit.lift();
        CHECK(decode(folder.file()).data_records() == sent);
    }
}

TEST_CASE("a device without room is counted and never ends the program", "[file]") {
    FileSession file("/dev/full");
    file.append(0, 10);
    file.step(kNsPerSecond);
    CHECK(errors(file.session.ledger(), SendError::storage) == 1);
    CHECK(file.session.ledger().queued.records == 10);
}

TEST_CASE("a path that cannot be a file ends the start with a remedy", "[file]") {
    const TemporaryFolder folder;
    CHECK_THROWS_WITH(FileTransport("x", folder.path, {}, nullptr),
                      Catch::Contains("Is a directory") && Catch::Contains("name a file"));
    CHECK_THROWS_WITH(FileTransport("x", folder.path + "/missing/x.ipfix", {}, nullptr),
                      Catch::Contains("No such file or directory"));
    REQUIRE(::mkfifo(folder.file().c_str(), 0600) == 0);
    CHECK_THROWS(FileTransport("x", folder.file(), {}, nullptr)); // and does not hang
}

TEST_CASE("files follow one another at multiples of a time, each a session of its own",
          "[file][rfc5655]") {
    const TemporaryFolder folder;
    FileSession file(folder.path + "/f-%H%M%S.ipfix", {.rotate_every = 10 * kNsPerSecond});
    file.append(0, 5000);
    file.step(0); // 01:02:03
    CHECK(folder.names() == std::vector<std::string>{"f-010203.ipfix.part"});
    file.step(6 * kNsPerSecond);
    file.append(5000, 100);
    file.step(kNsPerSecond); // 01:02:10
    CHECK(folder.names() == std::vector<std::string>{"f-010203.ipfix", "f-010210.ipfix.part"});
    file.append(5100, 1);
    file.session.close(file.now);
    REQUIRE(file.session.idle());
    REQUIRE(folder.names() == std::vector<std::string>{"f-010203.ipfix", "f-010210.ipfix"});
    const auto first = decode(folder.path + "/f-010203.ipfix");
    const auto second = decode(folder.path + "/f-010210.ipfix");
    CHECK(numbers(first) == counting(0, 5000));
    CHECK(numbers(second) == counting(5000, 101));
    CHECK(first.template_records() == 2);
    CHECK(second.template_records() == 2);
    CHECK(file.session.ledger().sessions == 2);
    CHECK(file.session.ledger().sent.records == 5101);
}

TEST_CASE("files follow one another by size, and none is larger", "[file]") {
    const bool compressed = GENERATE(false, true);
    const TemporaryFolder folder;
    constexpr std::uint64_t kOctetsMax = 70'000;
    FileSession file(folder.path + (compressed ? "/f.ipfix.gz" : "/f.ipfix"),
                     {.rotate_octets = kOctetsMax});
    constexpr std::uint64_t kRecords = 60'000;
    for (std::uint64_t n = 0; n < kRecords; n += 1000) {
        file.append(n, 1000);
        file.step(0);
    }
    file.session.close(file.now);
    for (int i = 0; i < 1000 && !file.session.idle(); ++i) {
        file.step(0);
    }
    REQUIRE(file.session.idle());
    std::vector<std::uint64_t> all;
    std::vector<std::string> paths;
    const auto names = folder.names();
    CHECK(names.size() > 2);
    for (std::size_t i = 0; i < names.size(); ++i) {
        const std::string again = i == 0 ? "" : "-" + std::to_string(i);
        const std::string path =
            folder.path + "/f-20261122-010203" + again + ".ipfix" + (compressed ? ".gz" : "");
        INFO(path);
        CHECK(std::filesystem::file_size(path) <= kOctetsMax);
        const auto decoder = decode(path);
        CHECK(decoder.template_records() == 2);
        const auto more = numbers(decoder);
        all.insert(all.end(), more.begin(), more.end());
    }
    CHECK(all == counting(0, kRecords));
}

TEST_CASE("the oldest files are deleted, also those of earlier runs, and nothing else", "[file]") {
    const TemporaryFolder folder;
    std::ofstream(folder.path + "/f-20200101-000000.ipfix") << "old";
    std::ofstream(folder.path + "/f-20200101-000000.ipfix.part") << "cut";
    std::ofstream(folder.path + "/g-20200101-000000.ipfix") << "another's";
    FileSession file(folder.path + "/f.ipfix", {.rotate_every = kNsPerSecond, .keep = 2});
    for (int i = 0; i < 4; ++i) {
        file.step(kNsPerSecond);
    }
    file.session.close(file.now);
    CHECK(folder.names() ==
          std::vector<std::string>{"f-20200101-000000.ipfix.part", "f-20261122-010206.ipfix",
                                   "f-20261122-010207.ipfix", "g-20200101-000000.ipfix"});
}

TEST_CASE("what a crash leaves can be read, and never stands in the way", "[file]") {
    const TemporaryFolder folder;
    const bool compressed = GENERATE(false, true);
    const std::string path = folder.path + (compressed ? "/f-%H.ipfix.gz" : "/f-%H.ipfix");
    const std::string copy = folder.path + "/copy";
    const std::string part = folder.path + "/f-01.ipfix" + (compressed ? ".gz.part" : ".part");
    {
        FileSession file(path);
        file.append(0, 1000);
        file.step(kNsPerSecond);
        std::filesystem::copy_file(part, copy);
    }
    std::filesystem::remove(folder.path + "/f-01.ipfix" + (compressed ? ".gz" : ""));
    std::filesystem::rename(copy, part); // as if there had been no end
    CHECK(numbers(decode(part)) == counting(0, 1000));
    FileSession next(path);
    next.append(0, 10);
    next.session.close(next.now);
    CHECK(numbers(decode(folder.path + "/f-01-1.ipfix" + (compressed ? ".gz" : ""))) ==
          counting(0, 10));
    CHECK(std::filesystem::exists(part));
}

TEST_CASE("a folder that goes away is counted, and the next file is tried again", "[file]") {
    const TemporaryFolder folder;
    const std::string inner = folder.path + "/in";
    std::filesystem::create_directory(inner);
    FileSession file(inner + "/f.ipfix", {.rotate_every = kNsPerSecond});
    file.append(0, 10);
    file.step(kNsPerSecond); // in the first file
    std::filesystem::remove_all(inner);
    file.append(10, 10);
    file.step(kNsPerSecond);
    CHECK(errors(file.session.ledger(), SendError::other) == 2); // no name, no next file
    CHECK(file.session.ledger().queued.records == 10);
    file.step(kNsPerSecond / 2); // not yet again
    CHECK(errors(file.session.ledger(), SendError::other) == 2);
    std::filesystem::create_directory(inner);
    file.step(kNsPerSecond);
    file.session.close(file.now);
    CHECK(numbers(decode(inner + "/f-20261122-010206.ipfix")) == counting(10, 10));
}

TEST_CASE("a complete file never replaces another", "[file]") {
    const TemporaryFolder folder;
    FileSession file(folder.path + "/f-%H.ipfix");
    file.append(0, 10);
    file.step(kNsPerSecond);
    std::ofstream(folder.path + "/f-01.ipfix") << "somebody was faster";
    file.session.close(file.now);
    CHECK(folder.names() == std::vector<std::string>{"f-01-1.ipfix", "f-01.ipfix"});
    CHECK(numbers(decode(folder.path + "/f-01-1.ipfix")) == counting(0, 10));
    CHECK(std::filesystem::file_size(folder.path + "/f-01.ipfix") == 19);
}

TEST_CASE("a compressed file whose disk fills up can be read to its last message", "[file]") {
    const TemporaryFolder folder;
    FileSession file(folder.path + "/f.ipfix.gz");
    const FileSizeLimit limit(20'000);
    for (std::uint64_t n = 0; n < 20'000; n += 1000) {
        file.append(n, 1000);
        file.step(kNsPerSecond);
    }
    CHECK(errors(file.session.ledger(), SendError::storage) > 0);
    const std::uint64_t sent = file.session.ledger().sent.records;
    CHECK(sent > 0);
    CHECK(numbers(decode(folder.path + "/f.ipfix.gz")) == counting(0, sent));
    limit.lift();
    file.step(2 * kNsPerSecond);
    file.session.close(file.now);
    for (int i = 0; i < 1000 && !file.session.idle(); ++i) {
        file.step(kNsPerSecond);
    }
    CHECK(numbers(decode(folder.path + "/f.ipfix.gz")) == counting(0, 20'000));
}

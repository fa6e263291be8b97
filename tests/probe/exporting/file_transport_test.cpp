// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/file_transport.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "tests/probe/exporting/support.hpp"
#include "tests/support/catch.hpp"

using namespace exporting_test;
using probe::FileTransport;
using probe::kNsPerSecond;
using probe::SendError;

namespace {

struct TemporaryFolder {
    TemporaryFolder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
    ~TemporaryFolder() {
        static_cast<void>(std::remove(file().c_str()));
        static_cast<void>(std::remove(path.c_str()));
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

strict::Decoder decode(const std::string& path) {
    strict::Decoder decoder;
    decoder.stream(contents(path));
    INFO(decoder.complaint());
    CHECK(decoder.violations().empty());
    return decoder;
}

struct FileSession {
    explicit FileSession(const std::string& path)
        : session(collector_named(path), {}, kDomain, templates(),
                  std::make_unique<FileTransport>(path, path, nullptr)) {}
    void append(std::uint64_t first, std::uint64_t count) {
        for (std::uint64_t number = first; number < first + count; ++number) {
            session.append(0, ipv4_record(number), {1, 10}, now);
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
    CHECK_THROWS_WITH(FileTransport("x", folder.path, nullptr),
                      Catch::Contains("Is a directory") && Catch::Contains("name a file"));
    CHECK_THROWS_WITH(FileTransport("x", folder.path + "/missing/x.ipfix", nullptr),
                      Catch::Contains("No such file or directory"));
    REQUIRE(::mkfifo(folder.file().c_str(), 0600) == 0);
    CHECK_THROWS(FileTransport("x", folder.file(), nullptr)); // and does not hang
}

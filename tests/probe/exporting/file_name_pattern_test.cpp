// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/file_name_pattern.hpp"

#include "tests/support/catch.hpp"

using probe::FileNamePattern;

namespace {

constexpr probe::TimeNs kTime = 1'795'309'323 * probe::kNsPerSecond; // 2026-11-22T01:02:03Z

std::string written(const FileNamePattern& pattern, unsigned again = 0) {
    std::string out;
    pattern.write(kTime, again, out);
    return out;
}

} // namespace

TEST_CASE("a file's name has the time it begins, in UTC", "[file]") {
    CHECK(written(FileNamePattern("/var/x/f-%Y%m%d-%H%M%S.ipfix")) ==
          "/var/x/f-20261122-010203.ipfix");
    CHECK(written(FileNamePattern("%j.%s.ipfix.gz")) == "326.1795309323.ipfix.gz");
    CHECK(written(FileNamePattern("100%%.ipfix")) == "100%.ipfix");
    CHECK(written(FileNamePattern("plain.ipfix")) == "plain.ipfix");
    CHECK_FALSE(FileNamePattern("plain-100%%.ipfix").has_conversions());
}

TEST_CASE("a name that must not stay the same gets a time before its extensions", "[file]") {
    CHECK(written(FileNamePattern::of_many("x/flows.ipfix.gz")) ==
          "x/flows-20261122-010203.ipfix.gz");
    CHECK(written(FileNamePattern::of_many("flows")) == "flows-20261122-010203");
    CHECK(written(FileNamePattern::of_many("flows-%H.ipfix")) == "flows-01.ipfix");
}

TEST_CASE("a name that is taken gets a number before its extensions", "[file]") {
    CHECK(written(FileNamePattern("f-%H.ipfix.gz"), 12) == "f-01-12.ipfix.gz");
    CHECK(written(FileNamePattern("f-%H"), 3) == "f-01-3");
}

TEST_CASE("a pattern knows the names it could have written, and no others", "[file]") {
    for (const char* text : {"f-%Y%m%d-%H%M%S.ipfix", "f-%s.ipfix.gz", "%Y", "a%%%j.ipfix"}) {
        const FileNamePattern pattern(text);
        CHECK(pattern.matches(written(pattern)));
        CHECK(pattern.matches(written(pattern, 4'294'967'295)));
        CHECK(written(pattern, 4'294'967'295).size() <= pattern.octets_max());
        CHECK_FALSE(pattern.matches(written(pattern) + ".part"));
        CHECK_FALSE(pattern.matches("x" + written(pattern)));
        CHECK_FALSE(pattern.matches(""));
    }
    const FileNamePattern pattern("f-%H.ipfix");
    CHECK_FALSE(pattern.matches("f-1.ipfix"));
    CHECK_FALSE(pattern.matches("f-123.ipfix"));
    CHECK_FALSE(pattern.matches("f-12-.ipfix"));
    CHECK_FALSE(pattern.matches("g-12.ipfix"));
}

TEST_CASE("a time that cannot be written is refused with what can be", "[file]") {
    CHECK_THROWS_WITH(FileNamePattern("a%20b.ipfix"),
                      Catch::Contains("'%2' is no part of a time") && Catch::Contains("%Y (year)"));
    CHECK_THROWS_WITH(FileNamePattern("a%"), Catch::Contains("'%' is no part"));
    CHECK_THROWS_WITH(FileNamePattern("/x/%Y/f.ipfix"),
                      Catch::Contains("the folder stays the same"));
}

// SPDX-License-Identifier: BSD-3-Clause
#include "probe/collecting/silence_watch.hpp"

#include "tests/support/catch.hpp"

using namespace probe;

TEST_CASE("silence is told once, and again after it was broken", "[collecting]") {
    constexpr TimeNs s = kNsPerSecond;
    SilenceWatch watch("udp://[::]", 4739, 0);
    CHECK(watch.look(0, 0, 9 * s).empty());
    CHECK(watch.look(0, 0, 10 * s).starts_with("nothing came in 10 s on udp://[::]: does the "));
    CHECK(watch.look(0, 0, 100 * s).empty());
    CHECK(watch.look(0, 1, 101 * s).empty());
    CHECK(watch.look(0, 1, 111 * s).starts_with("connected, but no message in 10 s"));
    CHECK(watch.look(5, 1, 112 * s).empty());
    CHECK(watch.look(5, 1, 122 * s) == "no message in 10 s on udp://[::]");
    CHECK(watch.look(5, 1, 222 * s).empty());
}

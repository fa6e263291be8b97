// SPDX-License-Identifier: BSD-3-Clause
#include "probe/metering/flow_expiry.hpp"

#include "tests/support/catch.hpp"

using namespace probe;

namespace {

constexpr TimeoutOptions kTimeouts{.idle = 15, .active = 60, .tcp_end = 2};
constexpr std::uint8_t kLive = FlowState::kLive;
constexpr std::uint8_t kEnded = FlowState::kLive | FlowState::kEnded;
constexpr std::uint8_t kHalf = FlowState::kLive | FlowState::kFinForward;

constexpr auto kNone = FlowEndReason::none;
constexpr auto kIdle = FlowEndReason::idle_timeout;
constexpr auto kActive = FlowEndReason::active_timeout;
constexpr auto kEnd = FlowEndReason::end_of_flow_detected;

struct Case {
    const char* what;
    FlowTimes flow;
    TimeNs now;
    FlowEndReason expected;
};

} // namespace

TEST_CASE("of the deadlines that have passed the earliest one counts", "[metering][expiry]") {
    const Case cases[] = {
        {"a packet just came", {100, 100, kLive}, 100, kNone},
        {"a moment before the idle timeout", {100, 110, kLive}, 124, kNone},
        {"at the idle timeout", {100, 110, kLive}, 125, kIdle},
        {"long after the idle timeout, past the active one too", {100, 110, kLive}, 10'000, kIdle},
        {"a moment before the active timeout", {100, 150, kLive}, 159, kNone},
        {"at the active timeout", {100, 150, kLive}, 160, kActive},
        {"active came before idle", {100, 150, kLive}, 10'000, kActive},
        {"idle and active at once: the flow is idle", {100, 145, kLive}, 160, kIdle},
        {"no packet since the last record: no active timeout",
         {kNoPacketYet, 150, kLive},
         164,
         kNone},
        {"no packet since the last record: idle", {kNoPacketYet, 150, kLive}, 165, kIdle},
        {"a FIN one way is no end", {100, 110, kHalf}, 113, kNone},
        {"ended, within the linger", {100, 110, kEnded}, 111, kNone},
        {"ended, linger over", {100, 110, kEnded}, 112, kEnd},
        {"ended, looked at late", {100, 110, kEnded}, 10'000, kEnd},
        {"ended, but cut by the active timeout before", {100, 159, kEnded}, 10'000, kActive},
        {"ended without packets since the last record", {kNoPacketYet, 159, kEnded}, 161, kEnd},
        {"the clock stands before the flow", {100, 110, kLive}, 50, kNone},
    };
    for (const Case& c : cases) {
        INFO(c.what);
        CHECK(expiry_verdict(c.flow, c.now, kTimeouts) == c.expected);
    }
}

TEST_CASE("a timeout that is off never comes", "[metering][expiry]") {
    const TimeoutOptions no_end{.idle = 15, .active = 60, .tcp_end = kNever};
    CHECK(expiry_verdict({100, 110, kEnded}, 124, no_end) == kNone);
    CHECK(expiry_verdict({100, 110, kEnded}, 125, no_end) == kIdle);
    const TimeoutOptions no_active{.idle = 15, .active = kNever, .tcp_end = 2};
    CHECK(expiry_verdict({100, 1'000'000, kLive}, 1'000'014, no_active) == kNone);
    const TimeoutOptions never{.idle = kNever, .active = kNever, .tcp_end = kNever};
    CHECK(expiry_verdict({100, 110, kEnded}, kNever - 1, never) == kNone);
    CHECK(expiry_verdict({100, 110, kEnded}, kNever, never) == kNone);
}

TEST_CASE("a linger longer than the idle timeout ends as idle", "[metering][expiry]") {
    const TimeoutOptions slow{.idle = 15, .active = 60, .tcp_end = 30};
    CHECK(expiry_verdict({100, 110, kEnded}, 124, slow) == kNone);
    CHECK(expiry_verdict({100, 110, kEnded}, 200, slow) == kIdle);
}

TEST_CASE("deadlines do not wrap", "[metering][expiry]") {
    CHECK(deadline_after(kNever - 1, 2) == kNever);
    CHECK(deadline_after(kNever - 2, 2) == kNever);
    CHECK(deadline_after(kNever - 3, 2) == kNever - 1);
    CHECK(deadline_after(0, kNever) == kNever);
    CHECK(deadline_after(5, 7) == 12);
}

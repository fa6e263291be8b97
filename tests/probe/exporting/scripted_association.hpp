// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <deque>
#include <vector>

#include "probe/exporting/sctp_association.hpp"
#include "tests/probe/exporting/support.hpp"

namespace exporting_test {

/// An association that does as told.
class ScriptedAssociation final : public probe::SctpAssociation {
  public:
    struct State {
        struct Sent {
            Octets octets;
            std::uint16_t stream;
            std::uint32_t context;
            std::uint32_t lifetime_ms;
        };
        std::deque<probe::SctpEvent> events;
        std::deque<int> opens; ///< results; empty: 0
        std::deque<int> sends; ///< results; empty: 0
        std::vector<Sent> sent;
        std::size_t packet_octets = 1400;
        std::uint16_t streams = 1; ///< granted
        int opened = 0;
        int asked_dry = 0;
        int shut_down = 0;
        int aborted = 0;
        int closed = 0;
        void tell(probe::SctpEvent::Kind kind, int error = 0, std::uint32_t context = 0) {
            events.push_back({.kind = kind, .error = error, .context = context});
        }
    };
    explicit ScriptedAssociation(State& state) : state_(state) {}

    int open(probe::TimeNs) noexcept override {
        ++state_.opened;
        return pop(state_.opens);
    }
    void step(probe::TimeNs) noexcept override {}
    probe::TimeNs look_interval() const noexcept override { return probe::kNsPerMs; }
    probe::SctpEvent next_event() noexcept override {
        if (state_.events.empty()) return {};
        const probe::SctpEvent event = state_.events.front();
        state_.events.pop_front();
        return event;
    }
    int send(const probe::SctpMessage& message) noexcept override {
        const int result = pop(state_.sends);
        if (result == 0) {
            state_.sent.push_back({Octets(message.octets.begin(), message.octets.end()),
                                   message.stream, message.context, message.lifetime_ms});
        }
        return result;
    }
    void ask_dry() noexcept override { ++state_.asked_dry; }
    std::size_t packet_octets() noexcept override { return state_.packet_octets; }
    std::uint16_t streams() noexcept override { return state_.streams; }
    void shut_down() noexcept override { ++state_.shut_down; }
    void abort() noexcept override { ++state_.aborted; }
    void close() noexcept override { ++state_.closed; }
    const char* description() const noexcept override { return "the script's"; }

  private:
    static int pop(std::deque<int>& script) noexcept {
        if (script.empty()) return 0;
        const int result = script.front();
        script.pop_front();
        return result;
    }
    State& state_;
};

} // namespace exporting_test

// SPDX-License-Identifier: BSD-3-Clause
// Socket calls that fail as told and otherwise work, on real sockets or on none.
#pragma once

#include <cerrno>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "probe/exporting/socket_calls.hpp"

namespace exporting_test {

/// Nothing behind it: every call succeeds unless the script says otherwise.
class ScriptedSocket final : public probe::SocketCalls {
  public:
    int open(int, int, int) noexcept override { return opened++ < 0 ? -EMFILE : 1000; }
    int connect(int, const probe::SocketAddress&) noexcept override { return pop(connects, 0); }
    int writable(int) noexcept override { return connection_decided ? 1 : 0; }
    std::int64_t send(int, probe::Bytes octets) noexcept override {
        const auto all = static_cast<std::int64_t>(octets.size());
        const std::int64_t answer = std::min(pop(sends, all), all);
        if (answer > 0) stream.insert(stream.end(), octets.begin(), octets.begin() + answer);
        if (answer > 0) datagrams.emplace_back(octets.begin(), octets.begin() + answer);
        return answer;
    }
    std::int64_t send_several(int fd, std::span<const probe::Bytes> burst,
                              bool segments) noexcept override {
        bursts.push_back({burst.size(), segments});
        const auto all = static_cast<std::int64_t>(burst.size());
        const std::int64_t answer = std::min(pop(burst_answers, all), all);
        for (std::int64_t i = 0; i < answer; ++i) {
            const std::int64_t sent = send(fd, burst[static_cast<std::size_t>(i)]);
            if (sent < 0) return i > 0 ? i : sent;
        }
        return answer;
    }
    std::int64_t receive(int, std::span<std::uint8_t>) noexcept override {
        return pop(receives, std::int64_t{-EAGAIN});
    }
    int set_option(int, int level, int option, int value) noexcept override {
        options[{level, option}] = value;
        return 0;
    }
    int get_option(int, int level, int option, int& value) noexcept override {
        const auto found = answers.find({level, option});
        if (found == answers.end()) return -ENOPROTOOPT;
        value = found->second;
        return 0;
    }
    int unacknowledged(int, int& octets) noexcept override {
        octets = unacknowledged_octets;
        return 0;
    }
    void close(int) noexcept override { ++closed; }

    struct Burst {
        std::size_t datagrams = 0;
        bool segments = false;
        bool operator==(const Burst&) const = default;
    };
    std::vector<Burst> bursts;                  ///< as send_several was asked
    std::deque<std::int64_t> burst_answers;     ///< how many are taken; empty: all
    std::deque<int> connects;                   ///< results; empty: 0
    std::deque<std::int64_t> sends;             ///< results; empty: all of it
    std::deque<std::int64_t> receives;          ///< results; empty: -EAGAIN
    std::map<std::pair<int, int>, int> options; ///< as set
    std::map<std::pair<int, int>, int> answers; ///< to get_option
    std::vector<std::vector<std::uint8_t>> datagrams;
    std::vector<std::uint8_t> stream;
    bool connection_decided = true;
    int unacknowledged_octets = 0;
    int opened = 0;
    int closed = 0;

  private:
    template <typename Result>
    static Result pop(std::deque<Result>& script, Result otherwise) noexcept {
        if (script.empty()) return otherwise;
        const Result result = script.front();
        script.pop_front();
        return result;
    }
};

/// For a transport whose calls outlive it.
inline std::shared_ptr<probe::SocketCalls> borrowed(probe::SocketCalls& calls) {
    return {std::shared_ptr<void>(), &calls};
}

} // namespace exporting_test

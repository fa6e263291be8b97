// SPDX-License-Identifier: BSD-3-Clause
// Takes the process's signals on a thread of its own, so that no lcore is interrupted and no
// handler has to be async-signal-safe. Made first thing in main: threads started later inherit the
// blocked signals.
//
// The first SIGTERM or SIGINT calls on_stop, a second one ends the process at once with 128 + its
// number, and so does the first one while nothing is set. SIGUSR1 calls on_usr1. SIGPIPE is
// ignored: writers see EPIPE.
#pragma once

#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace probe {

class SignalThread {
  public:
    SignalThread();
    ~SignalThread();
    SignalThread(const SignalThread&) = delete;
    SignalThread& operator=(const SignalThread&) = delete;

    /// What the signals do from now on; empty functions: nothing is set.
    /// Without `on_hup`, SIGHUP ends the process at once, as it does by default. `in_between`:
    /// every now and then, on the same thread.
    void set(std::function<void()> on_stop, std::function<void()> on_usr1,
             std::function<void()> on_hup = {}, std::function<void()> in_between = {});

  private:
    void loop();

    std::mutex mutex_; // guards the functions
    std::function<void()> on_stop_;
    std::function<void()> on_usr1_;
    std::function<void()> on_hup_;
    std::function<void()> in_between_;
    std::thread thread_;
};

/// What the first SIGTERM or SIGINT does during its life; nothing is set behind it.
class OnStop {
  public:
    OnStop(SignalThread& signals, std::function<void()> what) : signals_(signals) {
        signals_.set(std::move(what), {});
    }
    ~OnStop() { signals_.set({}, {}); }
    OnStop(const OnStop&) = delete;
    OnStop& operator=(const OnStop&) = delete;

  private:
    SignalThread& signals_;
};

} // namespace probe

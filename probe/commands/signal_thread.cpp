// SPDX-License-Identifier: BSD-3-Clause
#include "probe/commands/signal_thread.hpp"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <utility>

namespace probe {

namespace {

constexpr int kQuit = SIGUSR2; // from the destructor, to this thread alone
constexpr long kBetweenSignalsNs = 200'000'000;

sigset_t watched() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGTERM, SIGINT, SIGUSR1, SIGHUP, kQuit}) {
        sigaddset(&set, number);
    }
    return set;
}

} // namespace

SignalThread::SignalThread() {
    const sigset_t set = watched();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    signal(SIGPIPE, SIG_IGN);
    thread_ = std::thread([this] { loop(); });
}

SignalThread::~SignalThread() {
    pthread_kill(thread_.native_handle(), kQuit);
    thread_.join();
}

void SignalThread::set(std::function<void()> on_stop, std::function<void()> on_usr1,
                       std::function<void()> on_hup, std::function<void()> in_between) {
    const std::lock_guard lock(mutex_);
    on_stop_ = std::move(on_stop);
    on_usr1_ = std::move(on_usr1);
    on_hup_ = std::move(on_hup);
    in_between_ = std::move(in_between);
}

void SignalThread::loop() {
    const sigset_t set = watched();
    bool stopping = false;
    for (;;) {
        const timespec patience{.tv_sec = 0, .tv_nsec = kBetweenSignalsNs};
        const int number = sigtimedwait(&set, nullptr, &patience);
        if (number == kQuit) {
            return;
        }
        const std::lock_guard lock(mutex_);
        if (in_between_ && !stopping) {
            in_between_();
        }
        if (number < 0) {
            continue;
        }
        if (number == SIGUSR1) {
            if (on_usr1_) {
                on_usr1_();
            }
        } else if (number == SIGHUP && on_hup_) {
            if (!stopping) {
                on_hup_();
            }
        } else if (stopping || !on_stop_) {
            _exit(128 + number);
        } else {
            stopping = true;
            on_stop_();
        }
    }
}

} // namespace probe

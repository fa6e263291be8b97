// SPDX-License-Identifier: BSD-3-Clause
#include "probe/commands/signal_thread.hpp"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <utility>

namespace probe {

namespace {

constexpr int kQuit = SIGUSR2; // from the destructor, to this thread alone

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
                       std::function<void()> on_hup) {
    const std::lock_guard lock(mutex_);
    on_stop_ = std::move(on_stop);
    on_usr1_ = std::move(on_usr1);
    on_hup_ = std::move(on_hup);
}

void SignalThread::loop() {
    const sigset_t set = watched();
    bool stopping = false;
    for (;;) {
        int number = 0;
        if (sigwait(&set, &number) != 0) {
            continue;
        }
        if (number == kQuit) {
            return;
        }
        const std::lock_guard lock(mutex_);
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

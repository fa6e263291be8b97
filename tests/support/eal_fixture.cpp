// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/eal_fixture.hpp"

#include <rte_eal.h>
#include <rte_errno.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>
#include <thread>

namespace probe::test {

namespace {

/// All of them, so that threads of a test are not tied to one.
unsigned cpus() {
    return std::max(1U, std::thread::hardware_concurrency());
}

bool start_once() {
    // the EAL keeps and reorders the pointers, so the texts must outlive this function
    static std::array<std::string, 10> texts = {"test",
                                                "--no-huge",
                                                "--no-shconf",
                                                "--no-pci",
                                                "--no-telemetry",
                                                "--lcores",
                                                "0@(0-" + std::to_string(cpus() - 1) + ")",
                                                "--log-level=critical",
                                                "-m",
                                                "512"};
    static std::array<char*, texts.size() + 1> arguments{};
    for (std::size_t i = 0; i < texts.size(); ++i) {
        arguments[i] = texts[i].data();
    }
    if (rte_eal_init(static_cast<int>(texts.size()), arguments.data()) < 0) {
        throw std::runtime_error(std::string("the EAL does not start: ") + rte_strerror(rte_errno));
    }
    return true;
}

} // namespace

void start_eal() {
    static const bool started = start_once();
    (void)started;
}

} // namespace probe::test

// SPDX-License-Identifier: BSD-3-Clause
// bench_collector beside us: a collector over TLS, DTLS or SCTP in a process of its own, which also
// has libusrsctp's state to itself. It checks what comes and counts its records.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <cstdio>
#include <memory>

#include "bench/certificates.hpp"
#include "probe/exporting/export_options.hpp"
#include "probe/exporting/record_binding.hpp"
#include "probe/exporting/record_sink.hpp"

namespace bench {

class CollectorProcess {
  public:
    struct Received {
        std::uint64_t messages = 0;
        std::uint64_t records = 0;
        std::uint64_t missing = 0;    ///< records, by sequence number
        std::uint64_t violations = 0; ///< rules that were broken
    };

    /// `cpu`: where it runs, -1: anywhere. Throws std::runtime_error.
    CollectorProcess(probe::TransportKind transport, int cpu);
    ~CollectorProcess();
    CollectorProcess(const CollectorProcess&) = delete;
    CollectorProcess& operator=(const CollectorProcess&) = delete;

    [[nodiscard]] std::unique_ptr<probe::RecordSink> open_sink(
        const probe::RecordBinding& binding) const;
    /// Ends it. Throws std::runtime_error when it does not tell.
    [[nodiscard]] Received finish();

  private:
    struct Close {
        void operator()(std::FILE* file) const noexcept { std::fclose(file); }
    };
    using File = std::unique_ptr<std::FILE, Close>;

    Certificates certificates_;
    probe::CollectorOptions where_;
    pid_t process_ = -1;
    File input_;  ///< closed: it ends
    File output_; ///< what it says
};

} // namespace bench

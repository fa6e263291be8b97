// SPDX-License-Identifier: BSD-3-Clause
// The workers' ledgers as the exporter tells them in options records.
//
// Thread: made before the lcores run; report() from the exporter's lcore, reading what the workers
// publish (Counter). The workers must outlive it.
#pragma once

#include <utility>
#include <vector>

#include "probe/exporting/options_records.hpp"
#include "probe/lcores/worker.hpp"

namespace probe {

class WorkersReport final : public MeteringReporter {
  public:
    explicit WorkersReport(std::vector<Worker*> workers) : workers_(std::move(workers)) {}

    [[nodiscard]] MeteringReport report() const noexcept override;

  private:
    std::vector<Worker*> workers_;
};

} // namespace probe

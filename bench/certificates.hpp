// SPDX-License-Identifier: BSD-3-Clause
// A certificate for both sides of a session on this machine, in a folder of its own that goes with
// the object.
#pragma once

#include <string>

#include "probe/exporting/export_options.hpp"

namespace bench {

class Certificates {
  public:
    /// Throws std::runtime_error.
    Certificates();
    ~Certificates();
    Certificates(const Certificates&) = delete;
    Certificates& operator=(const Certificates&) = delete;

    [[nodiscard]] const std::string& folder() const noexcept { return folder_; }
    /// Of what lies in such a folder, for an exporter as for a collector.
    [[nodiscard]] static probe::TlsOptions options(const std::string& folder);

  private:
    std::string folder_;
};

} // namespace bench

// SPDX-License-Identifier: BSD-3-Clause
// The life of DPDK's Environment Abstraction Layer, and the arguments it is started with.
//
// Thread: made and destroyed by the main thread, which becomes the main lcore. Only one in a
// process: DPDK refuses a second rte_eal_init, also after a failed one, so a failure here ends the
// program. Errors: EalError, one sentence with the remedy.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace probe {

/// The environment refused: exit code 1. what() is one sentence with the remedy.
class EalError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Arguments for `parshall run`: those of the YAML, then those of the command line, and in front of
/// them what was not decided there: --in-memory, or with --no-huge --no-shconf
/// (nothing is left behind after kill -9), --no-telemetry, the allow-list of the PCI ports in
/// `ports`, or
/// --no-pci when there is none. A virtual device in `ports` ("net_null0", or with its arguments:
/// "net_af_packet0,iface=eth1,qpairs=2") that no --vdev names gets one. An option of the YAML that
/// the command line says again is left out (the EAL refuses two lcore lists). With --no-huge and no
/// -m, `memory_mb` is asked for (0: 1024).
[[nodiscard]] std::vector<std::string> live_eal_arguments(
    const std::vector<std::string>& from_config, const std::vector<std::string>& from_command_line,
    const std::vector<std::string>& ports, std::uint32_t memory_mb = 0);

/// Arguments for `parshall read`: no root, no hugepages, no files, no devices. One lcore (0) that
/// may run on every CPU the process may use, so that threads started from it are not tied to one
/// CPU.
[[nodiscard]] std::vector<std::string> offline_eal_arguments(std::uint32_t memory_mb);

/// "0000:01:00.0" or "01:00.0"; anything else names a virtual device.
[[nodiscard]] bool is_pci_address(const std::string& port) noexcept;

class EalSession {
  public:
    /// `arguments` without the program's name. The EAL's own log is kept at warnings unless an
    /// argument says --log-level. Blocks until all lcores wait for work.
    explicit EalSession(const std::vector<std::string>& arguments);
    ~EalSession();
    EalSession(const EalSession&) = delete;
    EalSession& operator=(const EalSession&) = delete;

    /// Enabled lcores, the main lcore first, the others in ascending order.
    [[nodiscard]] const std::vector<unsigned>& lcores() const noexcept { return lcores_; }

    /// Version of the DPDK that is running, which need not be the one compiled against.
    [[nodiscard]] static std::string version();

    /// In what pages its memory is by now, e.g. "2 MB pages" or "1 GB and 2 MB pages".
    [[nodiscard]] static std::string pages();

  private:
    std::vector<unsigned> lcores_;
};

} // namespace probe

// SPDX-License-Identifier: BSD-3-Clause
// The EAL for test programs whose flow tables need it (rte_hash): no hugepages, no root, no files,
// no devices.
#pragma once

namespace probe::test {

/// Starts the EAL on its first call, once for the program. Throws std::runtime_error where it
/// refuses.
void start_eal();

} // namespace probe::test

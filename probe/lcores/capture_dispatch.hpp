// SPDX-License-Identifier: BSD-3-Clause
// The packets of capture files for one or several workers, as RSS would spread them: both
// directions of a pair of addresses go to one worker.
//
// Thread: one; offline, all roles run in turn on it. With one worker the capture fills the worker's
// own batch and nothing is copied; with several, views are dealt out (the octets stay where they
// are until the next burst).
#pragma once

#include <memory>
#include <vector>

#include "probe/observation/capture_file.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

class CaptureDispatch {
  public:
    explicit CaptureDispatch(std::uint32_t workers);
    ~CaptureDispatch();

    /// The source of worker `w`; lives as long as this object.
    [[nodiscard]] PacketSource& source(std::uint32_t w) noexcept;

    /// Reads from `capture` from now on; nullptr: nothing comes.
    void open(CaptureFile* capture) noexcept { capture_ = capture; }

    /// For several workers: takes the next burst and deals it out. With one worker, poll does it.
    void deal() noexcept;

    /// Time of the latest packet handed out so far: the offline clock. 0 before the first one.
    [[nodiscard]] TimeNs latest() const noexcept { return latest_; }

  private:
    class WorkerSource;

    [[nodiscard]] std::uint32_t read(PacketBatch& batch) noexcept;

    CaptureFile* capture_ = nullptr;
    TimeNs latest_ = 0;
    std::vector<std::unique_ptr<WorkerSource>> sources_;
    PacketBatch batch_;
};

} // namespace probe

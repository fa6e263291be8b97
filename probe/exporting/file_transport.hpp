// SPDX-License-Identifier: BSD-3-Clause
// An IPFIX file (RFC 5655): messages one after the other, templates first, one transport session.
//
// The file holds whole messages at any time a write failed: what was written of a message that did
// not fit is cut off again, and the message is tried again a little later. A full disk is counted
// and costs records when the queue is full; it never ends the program.
#pragma once

#include <cstdint>
#include <string>

#include "probe/exporting/transport.hpp"
#include "probe/exporting/transport_log.hpp"

namespace probe {

class FileTransport final : public Transport {
  public:
    /// Makes the file or overwrites it. Throws std::runtime_error with the remedy.
    FileTransport(const std::string& name, const std::string& path, LogLine log);
    ~FileTransport() override;
    FileTransport(const FileTransport&) = delete;
    FileTransport& operator=(const FileTransport&) = delete;

    [[nodiscard]] bool step(TimeNs /*now*/) noexcept override { return fd_ >= 0; }
    [[nodiscard]] SendVerdict send(Bytes message, TimeNs now) noexcept override;
    [[nodiscard]] std::uint64_t sessions() const noexcept override { return 1; }
    [[nodiscard]] std::uint16_t max_message_octets() const noexcept override;
    [[nodiscard]] bool reliable() const noexcept override { return true; }
    [[nodiscard]] const std::array<std::uint64_t, kSendErrors>& errors() const noexcept override {
        return log_.errors();
    }
    void close() noexcept override;

  private:
    void cut_torn_message() noexcept;

    TransportLog log_;
    int fd_ = -1;
    bool regular_ = false; ///< not a device such as /dev/null
    bool torn_ = false;    ///< octets of an unfinished message stand behind whole_octets_
    std::int64_t whole_octets_ = 0;
};

} // namespace probe

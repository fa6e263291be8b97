// SPDX-License-Identifier: BSD-3-Clause
// IPFIX files (RFC 5655): messages one after the other, templates first, each file one transport
// session.
//
// A plain name is one file, written in place. A name with a time in it (file_name_pattern.hpp), or
// one that is to rotate, is written as NAME.part beside it and gets its name when it is complete,
// so that whoever looks for NAME finds whole files only; what a crash leaves is NAME.part, readable
// up to its last message. No file is ever overwritten then. With `rotate_every` a file ends at
// multiples of that time in UTC; with `rotate_octets` before it grows larger; `keep` deletes the
// oldest that the name could stand for.
//
// A name that ends in .gz is compressed, each message a gzip member of its own: a file that is cut
// can be read up to the cut.
//
// The file holds whole messages at any time a write failed: what was written of a message that did
// not fit is cut off again, and the message is tried again a little later. A full disk, a folder
// that is gone or a name that cannot be given is counted and tried again; records are lost when the
// queue is full, by name, and the program goes on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "probe/exporting/export_options.hpp"
#include "probe/exporting/file_name_pattern.hpp"
#include "probe/exporting/isal_compression.hpp"
#include "probe/exporting/kept_files.hpp"
#include "probe/exporting/transport.hpp"
#include "probe/exporting/transport_log.hpp"

namespace probe {

class FileTransport final : public Transport {
  public:
    /// Makes the file or overwrites it; of several, makes sure that the first can be made. Throws
    /// std::runtime_error with the remedy.
    FileTransport(const std::string& name, const std::string& path, const FileOptions& options,
                  LogLine log);
    ~FileTransport() override;
    FileTransport(const FileTransport&) = delete;
    FileTransport& operator=(const FileTransport&) = delete;

    [[nodiscard]] bool step(TimeNs now) noexcept override;
    [[nodiscard]] bool ends_now(TimeNs now) noexcept override;
    [[nodiscard]] SendVerdict send(Bytes message, TimeNs now) noexcept override;
    [[nodiscard]] std::uint64_t sessions() const noexcept override { return sessions_; }
    [[nodiscard]] std::uint16_t max_message_octets() const noexcept override;
    [[nodiscard]] bool reliable() const noexcept override { return true; }
    [[nodiscard]] const std::array<std::uint64_t, kSendErrors>& errors() const noexcept override {
        return log_.errors();
    }
    void close() noexcept override;

  private:
    void require_folder(const std::string& path) const;
    void open_in_place(const std::string& path);
    [[nodiscard]] bool open_next(TimeNs now) noexcept;
    [[nodiscard]] bool full() const noexcept;
    [[nodiscard]] SendVerdict write_whole(Bytes octets) noexcept;
    void complete() noexcept;
    void give_name() noexcept;
    void cut_torn_message() noexcept;

    TransportLog log_;
    const FileOptions options_;
    const FileNamePattern pattern_;
    const bool many_; ///< files that get their name when they are complete
    KeptFiles kept_;
    std::unique_ptr<GzipWriter> gzip_;
    std::vector<std::uint8_t> compressed_;

    int fd_ = -1;
    bool closed_ = false;
    bool regular_ = false; ///< not a device such as /dev/null
    bool ending_ = false;  ///< what comes now is the end of this file
    bool torn_ = false;    ///< octets of an unfinished message stand behind whole_octets_
    std::int64_t whole_octets_ = 0;
    std::uint64_t sessions_ = 0;
    std::string final_path_;
    std::string part_path_;
    TimeNs began_ = 0;
    unsigned again_ = 0;            ///< which "-n" the name has
    TimeNs rotate_at_ = UINT64_MAX; ///< never
    TimeNs open_again_at_ = 0;
    int compressed_this_step_ = 0;
};

} // namespace probe

// SPDX-License-Identifier: BSD-3-Clause
// The spool files of one collector: blocks (spool_block.hpp) written at the end and read from the
// front, in files of at most 16 MiB in one directory, which a next process finds again.
//
// A block that is read is marked in its file before it is handed out, so that no record is ever
// sent twice; what a kill -9 finds in memory is lost. A file goes when all its blocks were read. A
// block that could not be written whole is cut off again. Nothing is synced: the files survive the
// process, not the power.
//
// Thread: one at a time; calls wait for the disk. Errors: the constructor throws std::runtime_error
// with the remedy; afterwards verdicts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "probe/exporting/export_options.hpp"
#include "probe/exporting/spool_block.hpp"

namespace probe {

enum class StoreVerdict : std::uint8_t {
    stored,
    full,  ///< octets_max is reached, or the disk or a quota is full
    error, ///< the directory cannot be written, input/output error
};
enum class FetchVerdict : std::uint8_t { fetched, empty, damaged };

class SpoolStore {
  public:
    /// Makes the directory where its parent exists, and reads what is there: every block is
    /// checked.
    SpoolStore(const SpoolOptions& options, const std::string& collector);
    ~SpoolStore();
    SpoolStore(const SpoolStore&) = delete;
    SpoolStore& operator=(const SpoolStore&) = delete;

    /// What another process left: whole blocks, and records of blocks that are not.
    [[nodiscard]] const RecordTally& recovered() const noexcept { return recovered_; }
    [[nodiscard]] const RecordTally& damaged() const noexcept { return damaged_; }
    /// Octets at the end of files that are no block, and whose records nobody knows.
    [[nodiscard]] std::uint64_t unreadable_octets() const noexcept { return unreadable_octets_; }
    [[nodiscard]] std::size_t blocks() const noexcept { return unread_.size(); }

    [[nodiscard]] StoreVerdict append(Bytes block, const RecordTally& tally) noexcept;
    /// From here on append() writes before everything that is there: the last act of a process.
    void write_to_front() noexcept;

    /// The oldest block; `tally`: its records, whatever the verdict.
    [[nodiscard]] FetchVerdict fetch(std::vector<std::uint8_t>& block, RecordTally& tally) noexcept;

    /// errno of the last append that failed.
    [[nodiscard]] int last_error() const noexcept { return last_error_; }

  private:
    struct Block {
        std::uint64_t file = 0;
        std::uint64_t offset = 0;
        std::uint32_t octets = 0;
        RecordTally tally;
    };
    struct File {
        std::uint64_t octets = 0;
        std::size_t unread = 0;
    };

    void lock() const;
    void recover();
    void recover_file(std::uint64_t number);
    [[nodiscard]] bool open_next() noexcept;
    void close_written() noexcept;
    [[nodiscard]] bool write_whole(Bytes block) noexcept;
    [[nodiscard]] bool read_block(const Block& block, std::vector<std::uint8_t>& octets) noexcept;
    void block_is_read(const Block& block) noexcept;
    [[nodiscard]] std::string path(std::uint64_t number) const;
    [[nodiscard]] StoreVerdict failed(int error) noexcept;

    const SpoolOptions options_;
    const std::string prefix_; ///< of the files' paths
    std::deque<Block> unread_;
    std::map<std::uint64_t, File> files_; ///< by number; the lowest is the oldest
    std::uint64_t octets_ = 0;            ///< of all files
    int lock_fd_ = -1;
    int written_fd_ = -1;
    std::uint64_t written_ = 0; ///< the file that is written
    int read_fd_ = -1;
    std::uint64_t read_ = 0; ///< the file that is read
    bool at_front_ = false;
    RecordTally recovered_;
    RecordTally damaged_;
    std::uint64_t unreadable_octets_ = 0;
    int last_error_ = 0;
};

} // namespace probe

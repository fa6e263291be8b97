// SPDX-License-Identifier: BSD-3-Clause
// The part of a session's queue that is on disk: records go in at one end and come out at the
// other, in order, while the session's own queue in memory is in front of it.
//
// The exporter never waits for a disk: it fills blocks of 64 KiB and gives them to a thread of the
// spool, which compresses, checks and writes them, and reads them back one ahead. When all blocks
// wait for the disk, records are lost by that name. A block leaves memory when it is full or a
// second old. Each block is an IPFIX message of its own, with the templates that its records use,
// so that neither a reload nor another process changes what they mean. When nothing is on disk or
// on the way there, the block being filled is read directly.
//
// Threads: the exporter's lcore, and the spool's own, which runs work(). SpscQueues between them
// hand blocks over, and with them all right to touch them. The calls of the end wait for
// the disk: after the last packet.
#pragma once

#include <array>
#include <atomic>
#include <bitset>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "encoder/message_builder.hpp"
#include "probe/exporting/record_sink.hpp"
#include "probe/exporting/spool_store.hpp"
#include "probe/exporting/spooled_records.hpp"
#include "probe/exporting/transport_log.hpp"
#include "probe/metering/spsc_queue.hpp"

namespace probe {

enum class SpoolThread : std::uint8_t {
    own,
    callers, ///< who owns the spool calls work(): tests
};

class RecordSpool {
  public:
    /// Opens the directory and reads what is there, which takes a while where there is much. Throws
    /// std::runtime_error with the remedy. `templates` must outlive it. What was found is in
    /// `ledger` then: recovered, and spooled or lost[spool_damaged].
    RecordSpool(const SpoolOptions& options, const std::string& collector, std::uint32_t domain_id,
                std::span<const ipfix::TemplateRecord> templates, const LogLine& log,
                SessionLedger& ledger, SpoolThread thread = SpoolThread::own);
    ~RecordSpool();
    RecordSpool(const RecordSpool&) = delete;
    RecordSpool& operator=(const RecordSpool&) = delete;

    // --- the exporter ---

    /// A reload: `templates` begins with those that were there, and outlives the spool as these do.
    void change_templates(std::span<const ipfix::TemplateRecord> templates) noexcept {
        templates_ = templates;
    }

    /// Counts the record in the ledger: spooled or lost.
    void push(const DataRecord& record, TimeNs now) noexcept;

    /// Takes notice of what the thread did; `reading`: records will be wanted soon.
    void step(bool reading, TimeNs now) noexcept;

    /// Nothing is in it, in memory or on disk.
    [[nodiscard]] bool empty() const noexcept;

    /// Half of the blocks wait for the disk.
    [[nodiscard]] bool behind() const noexcept { return free_.size() < write_blocks_.size() / 2; }

    /// The oldest record, when it is in memory; false: none, or not yet. One of a template that
    /// this process does not have is lost at once, and the next one shown.
    [[nodiscard]] bool peek(SpooledRecord& record, TimeNs now) noexcept;
    /// Takes off what peek() showed: no longer spooled.
    void pop() noexcept;

    // --- the end; these wait for the disk ---

    /// From here on push() puts records in front of everything that is there.
    void push_to_front() noexcept;
    /// A block is free to be filled, after waiting for one if need be.
    void wait_for_room(TimeNs now) noexcept;
    /// All records that were pushed are on disk or counted, and all blocks that were asked for are
    /// here.
    void settle(TimeNs now) noexcept;

    // --- the spool's thread ---

    /// Does all that is asked for at the moment.
    void work() noexcept;

  private:
    struct WriteBlock {
        WriteBlock(std::uint32_t domain_id, std::size_t octets)
            : message(domain_id, static_cast<std::uint16_t>(octets)),
              weights(kSpoolWeightOctetsMax) {}
        ipfix::MessageBuilder message;
        Bytes finished; ///< the message
        std::vector<std::uint8_t> weights;
        std::size_t weight_octets = 0;
        RecordTally tally;
        TimeNs begun_at = 0;
    };
    struct WriteJob {
        WriteBlock* block;
        bool to_front;
        StoreVerdict verdict;
    };
    struct ReadJob {
        SpooledRecords* records;
        RecordTally lost; ///< of a damaged block
    };

    [[nodiscard]] bool begin_block(TimeNs now) noexcept;
    [[nodiscard]] ipfix::AppendVerdict append(const DataRecord& record) noexcept;
    void seal(TimeNs now) noexcept;
    void take_written(TimeNs now) noexcept;
    void take_read(TimeNs now) noexcept;
    void ask_for_blocks() noexcept;
    void read_current(TimeNs now) noexcept;
    void lose(const RecordTally& tally, LossReason reason, TimeNs now) noexcept;
    void lose_new(const DataRecord& record, LossReason reason, TimeNs now) noexcept;
    void ring() noexcept;
    void wait_for_thread() noexcept;
    void run() noexcept;
    [[nodiscard]] StoreVerdict write(const WriteJob& job) noexcept;
    void read(ReadJob& job) noexcept;

    // exporter: rw
    std::span<const ipfix::TemplateRecord> templates_;
    SessionLedger& ledger_;
    std::vector<std::unique_ptr<WriteBlock>> write_blocks_;
    std::vector<WriteBlock*> free_;
    WriteBlock* current_ = nullptr;
    std::bitset<std::size_t{1} << 16> described_; ///< templates in current_, by id
    std::uint32_t sequence_ = 0;
    enum class Reading : std::uint8_t { idle, asked_for, ready };
    struct ReadBlock {
        std::unique_ptr<SpooledRecords> records;
        Reading state = Reading::idle;
    };
    std::array<ReadBlock, 2> read_blocks_; ///< used in turn
    std::size_t reading_ = 0;              ///< the one that peek() looks at
    std::size_t asking_ = 0;               ///< the one that is asked for next
    std::size_t read_jobs_ = 0;            ///< asked for and not answered
    std::size_t write_jobs_ = 0;           ///< given to the thread and not answered
    std::size_t blocks_on_disk_ = 0;       ///< and not asked for
    bool to_front_ = false;

    // between the two
    SpscQueue to_write_;
    SpscQueue written_;
    SpscQueue to_read_;
    SpscQueue read_;
    std::atomic<std::uint32_t> bell_{0}; // exporter: w, thread: r
    std::atomic<bool> ending_{false};    // exporter: w, thread: r

    // thread: rw
    SpoolStore store_;
    TransportLog log_;
    BlockCompressor compressor_;
    std::vector<std::uint8_t> block_;
    bool at_front_ = false;
    std::thread thread_; ///< last: it uses all of the above
};

} // namespace probe

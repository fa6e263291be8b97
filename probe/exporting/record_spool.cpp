// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/record_spool.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "encoder/wire_format.hpp"

namespace probe {
namespace {

/// 8 MiB: at 10 million octets of records a second a disk may pause for most of a second.
constexpr std::size_t kWriteBlocks = 128;
constexpr std::size_t kBlockOctets = ipfix::kMessageOctetsMax;
constexpr TimeNs kBlockAgeMax = kNsPerSecond;
constexpr auto kNap = std::chrono::microseconds(200);

template <class Job>
void give(SpscQueue& queue, const Job& job) noexcept {
    std::memcpy(queue.reserve(), &job, sizeof job); // there is a place for every block
    queue.publish();
}

template <class Job>
bool take(SpscQueue& queue, Job& job) noexcept {
    const std::uint8_t* const octets = queue.front();
    if (octets == nullptr) return false;
    std::memcpy(&job, octets, sizeof job);
    queue.pop();
    return true;
}

} // namespace

RecordSpool::RecordSpool(const SpoolOptions& options, const std::string& collector,
                         std::uint32_t domain_id, std::span<const ipfix::TemplateRecord> templates,
                         const LogLine& log, SessionLedger& ledger, SpoolThread thread)
    : templates_(templates),
      ledger_(ledger),
      to_write_(sizeof(WriteJob), kWriteBlocks),
      written_(sizeof(WriteJob), kWriteBlocks),
      to_read_(sizeof(ReadJob), read_blocks_.size()),
      read_(sizeof(ReadJob), read_blocks_.size()),
      store_(options, collector),
      log_(collector + ": spool", log),
      block_(spool_block_octets_max()) {
    for (std::size_t b = 0; b < kWriteBlocks; ++b) {
        write_blocks_.push_back(std::make_unique<WriteBlock>(domain_id, kBlockOctets));
        free_.push_back(write_blocks_.back().get());
    }
    for (ReadBlock& block : read_blocks_)
        block.records = std::make_unique<SpooledRecords>(templates);
    blocks_on_disk_ = store_.blocks();
    ledger_.recovered = store_.recovered();
    ledger_.recovered.add(store_.damaged());
    ledger_.spooled = store_.recovered();
    ledger_.lost[static_cast<std::size_t>(LossReason::spool_damaged)].add(store_.damaged());
    if (log && (ledger_.recovered.records != 0 || store_.unreadable_octets() != 0)) {
        log(fmt::format("{}: {} records of an earlier run are in the spool, {} are damaged{}",
                        collector, store_.recovered().records, store_.damaged().records,
                        store_.unreadable_octets() == 0
                            ? std::string()
                            : fmt::format("; {} octets at the end of its files are no records",
                                          store_.unreadable_octets())));
    }
    if (thread == SpoolThread::own) thread_ = std::thread([this] { run(); });
}

RecordSpool::~RecordSpool() {
    if (!thread_.joinable()) return;
    ending_.store(true, std::memory_order_release); // pairs with run
    ring();
    thread_.join();
}

void RecordSpool::push(const DataRecord& record, TimeNs now) noexcept {
    if (record.octets.size() > ipfix::kRecordOctetsMax) {
        return lose_new(record, LossReason::record_too_large, now);
    }
    bool fresh = current_ == nullptr;
    if (fresh && !begin_block(now)) return lose_new(record, LossReason::spool_behind, now);
    auto verdict = append(record);
    if (verdict == ipfix::AppendVerdict::message_full && current_->tally.records != 0) {
        seal(now);
        if (!begin_block(now)) return lose_new(record, LossReason::spool_behind, now);
        verdict = append(record);
    }
    if (verdict != ipfix::AppendVerdict::appended) {
        return lose_new(record, LossReason::record_too_large, now);
    }
    current_->weight_octets +=
        put_spool_weight(record.weight, &current_->weights[current_->weight_octets]);
    current_->tally.add(record.weight);
    ledger_.spooled.add(record.weight);
}

/// To the block at hand, behind its template.
ipfix::AppendVerdict RecordSpool::append(const DataRecord& record) noexcept {
    WriteBlock& block = *current_;
    if (block.weight_octets + kSpoolTallyOctetsMax > block.weights.size()) {
        return ipfix::AppendVerdict::message_full;
    }
    const ipfix::TemplateRecord& described_by = templates_[record.template_index];
    const std::uint16_t id = described_by.id();
    if (!described_.test(id)) {
        const auto verdict = block.message.append_template(described_by);
        if (verdict != ipfix::AppendVerdict::appended) return verdict;
        described_.set(id);
    }
    return block.message.append_data(id, record.octets);
}

bool RecordSpool::begin_block(TimeNs now) noexcept {
    if (free_.empty()) return false;
    current_ = free_.back();
    free_.pop_back();
    current_->message.reset();
    described_.reset();
    current_->weight_octets = 0;
    current_->tally = {};
    current_->begun_at = now;
    return true;
}

void RecordSpool::seal(TimeNs now) noexcept {
    if (current_ == nullptr || current_->tally.records == 0) return;
    const auto export_time = static_cast<std::uint32_t>((now + kNsPerSecond - 1) / kNsPerSecond);
    current_->finished = current_->message.finish(export_time, sequence_);
    sequence_ += current_->message.data_records();
    give(to_write_, WriteJob{current_, to_front_, StoreVerdict::stored});
    ++write_jobs_;
    current_ = nullptr;
    ring();
}

void RecordSpool::step(bool reading, TimeNs now) noexcept {
    take_written(now);
    take_read(now);
    if (reading) {
        ask_for_blocks();
        const bool all_here = write_jobs_ == 0 && read_jobs_ == 0 && blocks_on_disk_ == 0;
        if (all_here) read_current(now);
    }
    if (current_ != nullptr && now >= current_->begun_at + kBlockAgeMax) seal(now);
}

void RecordSpool::take_written(TimeNs now) noexcept {
    WriteJob job{};
    while (take(written_, job)) {
        --write_jobs_;
        if (job.verdict == StoreVerdict::stored) {
            blocks_on_disk_ += job.to_front ? 0 : 1;
        } else {
            const bool full = job.verdict == StoreVerdict::full;
            lose(job.block->tally, full ? LossReason::spool_full : LossReason::spool_error, now);
        }
        free_.push_back(job.block);
    }
}

void RecordSpool::take_read(TimeNs now) noexcept {
    ReadJob job;
    while (take(read_, job)) {
        --read_jobs_;
        lose(job.lost, LossReason::spool_damaged, now);
        for (ReadBlock& block : read_blocks_) {
            if (block.records.get() == job.records) block.state = Reading::ready;
        }
    }
}

void RecordSpool::ask_for_blocks() noexcept {
    bool asked = false;
    while (blocks_on_disk_ > 0 && read_blocks_[asking_].state == Reading::idle) {
        read_blocks_[asking_].state = Reading::asked_for;
        read_blocks_[asking_].records->set_templates(templates_);
        give(to_read_, ReadJob{read_blocks_[asking_].records.get(), {}});
        asking_ = (asking_ + 1) % read_blocks_.size();
        --blocks_on_disk_;
        ++read_jobs_;
        asked = true;
    }
    if (asked) ring();
}

/// Past the disk, when it has nothing older.
void RecordSpool::read_current(TimeNs now) noexcept {
    ReadBlock& block = read_blocks_[asking_];
    if (current_ == nullptr || current_->tally.records == 0 || block.state != Reading::idle) return;
    const Bytes message = current_->message.finish(0, sequence_);
    block.records->set_templates(templates_);
    std::copy(message.begin(), message.end(), block.records->room().begin());
    if (!block.records->read(message.size(),
                             Bytes(current_->weights).first(current_->weight_octets))) {
        lose(current_->tally, LossReason::spool_damaged, now);
    }
    block.state = Reading::ready;
    asking_ = (asking_ + 1) % read_blocks_.size();
    free_.push_back(current_);
    current_ = nullptr;
}

bool RecordSpool::empty() const noexcept {
    const bool nothing_read =
        std::all_of(read_blocks_.begin(), read_blocks_.end(), [](const ReadBlock& block) {
            return block.state == Reading::idle ||
                   (block.state == Reading::ready && block.records->empty());
        });
    return nothing_read && write_jobs_ == 0 && blocks_on_disk_ == 0 &&
           (current_ == nullptr || current_->tally.records == 0);
}

bool RecordSpool::peek(SpooledRecord& record, TimeNs now) noexcept {
    while (read_blocks_[reading_].state == Reading::ready) {
        ReadBlock& block = read_blocks_[reading_];
        if (block.records->empty()) {
            block.state = Reading::idle;
            reading_ = (reading_ + 1) % read_blocks_.size();
            continue;
        }
        record = block.records->front();
        if (record.template_index != kForeignTemplate) return true;
        RecordTally one;
        one.add(record.weight);
        lose(one, LossReason::template_changed, now);
        block.records->pop();
    }
    return false;
}

void RecordSpool::pop() noexcept {
    SpooledRecords& records = *read_blocks_[reading_].records;
    RecordTally one;
    one.add(records.front().weight);
    ledger_.spooled.subtract(one);
    records.pop();
}

void RecordSpool::push_to_front() noexcept {
    to_front_ = true;
}

void RecordSpool::wait_for_room(TimeNs now) noexcept {
    while (free_.empty()) {
        wait_for_thread();
        take_written(now);
    }
}

void RecordSpool::settle(TimeNs now) noexcept {
    seal(now);
    while (write_jobs_ != 0 || read_jobs_ != 0) {
        wait_for_thread();
        take_written(now);
        take_read(now);
    }
}

void RecordSpool::wait_for_thread() noexcept {
    if (thread_.joinable()) {
        std::this_thread::sleep_for(kNap);
    } else {
        work();
    }
}

void RecordSpool::lose(const RecordTally& tally, LossReason reason, TimeNs now) noexcept {
    if (tally.records == 0) return;
    ledger_.spooled.subtract(tally);
    ledger_.lost[static_cast<std::size_t>(reason)].add(tally);
    ledger_.note_lost(now);
}

void RecordSpool::lose_new(const DataRecord& record, LossReason reason, TimeNs now) noexcept {
    ledger_.lost[static_cast<std::size_t>(reason)].add(record.weight);
    ledger_.note_lost(now);
}

void RecordSpool::ring() noexcept {
    bell_.fetch_add(1, std::memory_order_release); // pairs with run
    bell_.notify_one();
}

void RecordSpool::run() noexcept {
    // The exporter's lcore started it and is bound to one CPU, where it spins.
    cpu_set_t all;
    std::memset(&all, 0xff, sizeof all);
    static_cast<void>(pthread_setaffinity_np(pthread_self(), sizeof all, &all));
    while (true) {
        const std::uint32_t heard = bell_.load(std::memory_order_acquire); // pairs with ring
        const bool ending = ending_.load(std::memory_order_acquire); // pairs with the destructor
        work();
        if (ending) return;
        bell_.wait(heard, std::memory_order_acquire);
    }
}

void RecordSpool::work() noexcept {
    bool found = true;
    while (found) {
        WriteJob writing{};
        found = take(to_write_, writing);
        if (found) {
            writing.verdict = write(writing);
            give(written_, writing);
            continue; // what is asked for may be among these
        }
        ReadJob reading;
        found = take(to_read_, reading);
        if (found) {
            read(reading);
            give(read_, reading);
        }
    }
}

StoreVerdict RecordSpool::write(const WriteJob& job) noexcept {
    if (job.to_front && !at_front_) {
        at_front_ = true;
        store_.write_to_front();
    }
    block_.resize(block_.capacity());
    const std::size_t octets = encode_spool_block(
        job.block->finished, Bytes(job.block->weights).first(job.block->weight_octets),
        job.block->tally, compressor_, block_);
    if (octets == 0) return StoreVerdict::error;
    const StoreVerdict verdict = store_.append(Bytes(block_).first(octets), job.block->tally);
    if (verdict == StoreVerdict::stored) {
        log_.works("writing");
    } else {
        log_.failed("cannot write", store_.last_error(), "records are lost and counted");
    }
    return verdict;
}

void RecordSpool::read(ReadJob& job) noexcept {
    RecordTally tally;
    job.records->clear();
    block_.resize(block_.capacity());
    if (store_.fetch(block_, tally) == FetchVerdict::fetched) {
        const auto header = read_spool_header(block_);
        const std::size_t octets =
            header ? decode_spool_block(block_, *header, compressor_, job.records->room()) : 0;
        if (octets != 0 &&
            job.records->read(octets,
                              Bytes(block_).subspan(kSpoolHeaderOctets, header->weight_octets))) {
            return;
        }
    }
    job.lost = tally;
}

} // namespace probe

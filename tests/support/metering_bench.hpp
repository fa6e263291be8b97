// SPDX-License-Identifier: BSD-3-Clause
// One worker, housekeeping and exporter on a clock that the test moves, from frames to decoded data
// records.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "encoder/message_builder.hpp"
#include "probe/exporting/record_binding.hpp"
#include "probe/exporting/record_sink.hpp"
#include "probe/lcores/exporter.hpp"
#include "probe/lcores/housekeeping.hpp"
#include "probe/lcores/worker.hpp"
#include "probe/telemetry/ledger_snapshot.hpp"
#include "tests/support/packet_builder.hpp"
#include "tests/support/strict_decoder.hpp"

namespace probe::test {

inline constexpr TimeNs kStart = 1'795'309'323 * kNsPerSecond;
inline constexpr TimeNs kSecond = kNsPerSecond;
inline constexpr TimeNs kMs = kNsPerMs;

/// TCP control bits.
inline constexpr std::uint16_t kFin = 0x01;
inline constexpr std::uint16_t kSyn = 0x02;
inline constexpr std::uint16_t kRst = 0x04;
inline constexpr std::uint16_t kAck = 0x10;

struct ScriptedPacket {
    std::vector<std::uint8_t> frame;
    TimeNs time_ns = 0;    ///< when it was observed
    TimeNs deliver_at = 0; ///< when the source hands it over
    std::uint32_t interface = 1;
    LinkType link = LinkType::ethernet;
    std::uint64_t tag = 0; ///< the test's own mark
};

/// Hands over its packets in order, each not before its time.
class ScriptedSource final : public PacketSource {
  public:
    void push(ScriptedPacket packet) { waiting_.push_back(std::move(packet)); }
    [[nodiscard]] bool empty() const { return waiting_.empty(); }
    /// Tags of what was handed over, in order.
    [[nodiscard]] const std::vector<std::uint64_t>& polled() const { return polled_; }

    std::uint32_t poll(PacketBatch& batch, TimeNs now) noexcept override;
    void release() noexcept override { in_hand_.clear(); }

  private:
    std::deque<ScriptedPacket> waiting_;
    std::deque<ScriptedPacket> in_hand_;
    std::vector<std::uint64_t> polled_;
};

/// A data record, decoded by the second decoder.
struct SeenRecord {
    strict::Record record;
    std::size_t template_index;
    RecordWeight weight;
    TimeNs at; ///< when the exporter handed it over
};

/// Keeps every data record; wraps each into a message of its own for the strict decoder.
class CapturingSink final : public RecordSink {
  public:
    CapturingSink(std::span<const ipfix::TemplateRecord> templates, std::uint32_t domain);

    void append(const DataRecord& record, TimeNs now) noexcept override;
    void step(TimeNs) noexcept override {}
    void change_templates(const TemplateView& templates, OptionsRecords*,
                          TimeNs) noexcept override {
        templates_ = templates.all();
    }
    void close(TimeNs) noexcept override {}
    void abandon() noexcept override {}
    bool idle() const noexcept override { return true; }
    bool backlogged() const noexcept override { return false; }
    const std::string& name() const noexcept override { return name_; }
    const SessionLedger& ledger() const noexcept override { return ledger_; }

    [[nodiscard]] const std::vector<SeenRecord>& seen() const { return seen_; }
    [[nodiscard]] std::vector<SeenRecord> take();
    [[nodiscard]] std::string complaint() const { return decoder_.complaint(); }

  private:
    std::span<const ipfix::TemplateRecord> templates_;
    std::string name_ = "capture";
    SessionLedger ledger_;
    ipfix::MessageBuilder builder_;
    strict::Decoder decoder_;
    std::uint32_t sequence_ = 0;
    std::size_t announced_ = 0; ///< templates
    std::vector<SeenRecord> seen_;
};

struct BenchOptions {
    std::uint64_t flows_max = 1024;
    MeteringOptions metering;
    SipKey hash_key{1, 2};
    const PacketFilter* filter = nullptr;
    BindingContext context{.domain_id = 7, .interfaces = {}};
};

class MeterBench {
  public:
    explicit MeterBench(std::string_view templates, BenchOptions options = {});

    /// Meters one packet, observed at `time` and handed over at once; the clock follows forwards.
    void packet(TimeNs time, const PacketBuilder& frame, std::uint32_t interface = 1);
    /// Puts a packet into the next burst; burst() meters them together.
    void queue(TimeNs time, const PacketBuilder& frame, std::uint32_t interface = 1);
    void burst();

    /// A whole pass over the tables at `now`, the owners' second look, and the exporter.
    void sweep(TimeNs now);
    void drain() { (void)exporter.step(now_); }
    /// Ends every flow.
    void flush();

    /// Records since the last call, decoded. Fails the test where the decoder has a complaint.
    [[nodiscard]] std::vector<SeenRecord> records();
    [[nodiscard]] LedgerSnapshot ledger() const;
    /// CHECKs that every sum of the ledger closes and that the tables are sound.
    void check() const;
    [[nodiscard]] std::uint64_t waiting() const;

    RecordBinding binding;
    ScriptedSource source;
    Worker worker;

  private:
    CapturingSink* sink_ = nullptr; // the exporter owns it

  public:
    Exporter exporter;

  private:
    static std::vector<std::unique_ptr<RecordSink>> sinks(CapturingSink*& sink,
                                                          const RecordBinding& binding,
                                                          const BenchOptions& options);
    TimeNs now_ = 0;
};

/// A name that no table of this process has had.
[[nodiscard]] std::string unique_name();

/// An NTP timestamp as nanoseconds since 1970; fractions of a nanosecond are cut.
[[nodiscard]] TimeNs ntp_to_ns(std::uint64_t ntp);

/// Values of elements by IANA's number.
[[nodiscard]] inline TimeNs start_of(const strict::Record& record) {
    return ntp_to_ns(record.number(156));
}
[[nodiscard]] inline TimeNs end_of(const strict::Record& record) {
    return ntp_to_ns(record.number(157));
}
[[nodiscard]] inline std::uint64_t reason_of(const strict::Record& record) {
    return record.number(136);
}

/// Templates of most tests: times in nanoseconds, both counters, totals, control bits, reason.
extern const char* const kBiflow4;
extern const char* const kUniflow4;
extern const char* const kBiflow6;

} // namespace probe::test

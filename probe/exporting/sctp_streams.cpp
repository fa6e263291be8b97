// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/sctp_streams.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <optional>
#include <utility>

#include "encoder/wire_format.hpp"
#include "probe/exporting/file_time_window.hpp"

namespace probe {
namespace {

/// Which session a message was of, as far back as failures are told (sent_messages.hpp).
constexpr std::size_t kOriginsKept = 4096;

/// Failures are told of no more messages at once (sctp_transport.cpp).
constexpr std::size_t kFailedKept = 1024;

/// A session without flow records needs a queue of no size.
constexpr std::uint32_t kQueueOctetsMin = 256 * 1024;

std::size_t stream_count(const TemplateView& templates,
                         const OptionsRecords* options_records) noexcept {
    std::size_t data = 0;
    for (std::size_t i = 0; i < templates.all().size(); ++i) {
        data += templates.in_use_data(i) ? 1 : 0;
    }
    return data + (options_records != nullptr ? options_records->templates().size() : 0);
}

} // namespace

std::uint16_t sctp_streams_wanted(SctpStreamUse use, const TemplateView& templates,
                                  const OptionsRecords* options_records) noexcept {
    if (use == SctpStreamUse::one) return 1;
    return static_cast<std::uint16_t>(
        std::min<std::size_t>(stream_count(templates, options_records), UINT16_MAX));
}

/// The association as all streams share it: looked at once a step, its failed messages given to
/// the session that they were of, one message at a time.
class SctpStreams::Association {
  public:
    Association(std::unique_ptr<SctpTransport> transport, std::string name, LogLine log)
        : transport_(std::move(transport)), name_(std::move(name)), log_(std::move(log)) {
        origins_.resize(kOriginsKept);
    }

    /// Before the first step. Returns the stream's number.
    std::size_t add(Stream& stream) {
        streams_.push_back(&stream);
        numbered_.emplace_back();
        return streams_.size() - 1;
    }

    void step(TimeNs now) noexcept;
    [[nodiscard]] bool up() const noexcept { return up_; }
    [[nodiscard]] const SctpTransport& transport() const noexcept { return *transport_; }

    [[nodiscard]] SendVerdict send(std::size_t stream, Bytes message, TimeNs now) noexcept;
    void abort() noexcept;
    /// The stream has no more to say; true when the association is over.
    [[nodiscard]] bool finish(std::size_t stream, TimeNs now) noexcept;
    [[nodiscard]] bool finished(std::size_t stream) const noexcept {
        return numbered_[stream].finished;
    }
    void close(std::size_t stream) noexcept;

  private:
    /// Of a stream with its session.
    struct Numbered {
        std::uint32_t counted = 0; ///< of its sequence numbers, in the stream's
        bool sent = false;         ///< in this association
        bool finished = false;
        bool closed = false;
    };
    struct Origin {
        std::size_t stream = 0;
        std::uint64_t number = 0; ///< of the message in its session
    };
    void begin_association() noexcept;
    void pass_on_failures() noexcept;
    [[nodiscard]] std::uint32_t sequence_of(std::uint16_t number) noexcept;
    [[nodiscard]] std::uint16_t number_of(std::size_t stream) const noexcept {
        return static_cast<std::uint16_t>(stream % transport_->streams());
    }

    const std::unique_ptr<SctpTransport> transport_;
    const std::string name_;
    const LogLine log_;
    std::vector<Stream*> streams_;
    std::vector<Numbered> numbered_;
    std::vector<std::uint32_t> sequences_; ///< by the number of an SCTP stream
    std::vector<Origin> origins_;          ///< a ring, by the number of a message
    std::optional<TimeNs> looked_at_;
    bool up_ = false;
    std::uint64_t association_ = 0;
    std::size_t blocked_ = SIZE_MAX; ///< the stream whose message the association did not take
    std::array<std::uint8_t, std::size_t{16} * 1024> renumbered_{};
};

/// What a session sees of the association.
class SctpStreams::Stream final : public Transport {
  public:
    explicit Stream(Association& association)
        : association_(association), number_(association.add(*this)) {
        failed_.reserve(kFailedKept);
    }

    void set_session(const CollectorSession& session) noexcept { session_ = &session; }
    [[nodiscard]] std::uint32_t next_sequence() const noexcept { return session_->next_sequence(); }
    void failed(const FailedMessage& message) noexcept {
        if (failed_.size() < kFailedKept) failed_.push_back(message);
    }
    void begin_association() noexcept { messages_ = 0; }
    [[nodiscard]] std::uint64_t messages() const noexcept { return messages_; }

    [[nodiscard]] bool step(TimeNs now) noexcept override {
        association_.step(now);
        return association_.up();
    }
    [[nodiscard]] SendVerdict send(Bytes message, TimeNs now) noexcept override {
        const SendVerdict verdict = association_.send(number_, message, now);
        if (verdict == SendVerdict::sent) ++messages_;
        return verdict;
    }
    [[nodiscard]] std::uint64_t sessions() const noexcept override {
        return association_.transport().sessions();
    }
    [[nodiscard]] std::uint64_t unacknowledged_octets() const noexcept override {
        return association_.transport().unacknowledged_octets();
    }
    [[nodiscard]] std::uint16_t max_message_octets() const noexcept override {
        return association_.transport().max_message_octets();
    }
    [[nodiscard]] bool reliable() const noexcept override { return true; }
    [[nodiscard]] const std::array<std::uint64_t, kSendErrors>& errors() const noexcept override {
        return association_.transport().errors();
    }
    [[nodiscard]] std::optional<FailedMessage> take_failed() noexcept override {
        if (taken_ == failed_.size()) {
            failed_.clear();
            taken_ = 0;
            return std::nullopt;
        }
        return failed_[taken_++];
    }
    void abort() noexcept override { association_.abort(); }
    void close() noexcept override { association_.close(number_); }
    [[nodiscard]] bool finish(TimeNs now) noexcept override {
        return association_.finish(number_, now);
    }

  private:
    Association& association_;
    const std::size_t number_;
    const CollectorSession* session_ = nullptr;
    std::uint64_t messages_ = 0; ///< in this association
    std::vector<FailedMessage> failed_;
    std::size_t taken_ = 0;
};

/// Tells of a data template whether its data can be given up.
class SctpStreams::Reliability final : public OptionsSource {
  public:
    Reliability(std::uint16_t id, std::uint16_t described, bool reliable)
        : template_(id, "data_records_reliability",
                    {{ipfix::find_element("templateId"), sizeof described},
                     {ipfix::find_element("dataRecordsReliability"), 1}},
                    1) {
        constexpr std::uint8_t kTrue = 1; // RFC 7011 section 6.1.5
        constexpr std::uint8_t kFalse = 2;
        ipfix::store_be(record_.data(), described);
        record_.back() = reliable ? kTrue : kFalse;
    }
    [[nodiscard]] std::span<const ipfix::TemplateRecord> templates() const noexcept override {
        return {&template_, 1};
    }
    [[nodiscard]] std::size_t count() const noexcept override { return 1; }
    [[nodiscard]] Encoded encode(std::size_t /*number*/,
                                 const SessionLedger& /*session*/) noexcept override {
        return {0, record_};
    }

  private:
    ipfix::TemplateRecord template_;
    std::array<std::uint8_t, 3> record_{};
};

/// The records of one Options Template, which tell of all streams together.
class SctpStreams::OptionsOfTemplate final : public OptionsSource {
  public:
    OptionsOfTemplate(OptionsRecords& all, std::size_t template_index, const RecordSink& whole)
        : all_(all), template_index_(template_index), whole_(whole) {
        for (std::size_t number = 0; number < all.count(); ++number) {
            if (all.template_of(number) == template_index) numbers_.push_back(number);
        }
    }
    [[nodiscard]] std::span<const ipfix::TemplateRecord> templates() const noexcept override {
        return all_.templates().subspan(template_index_, 1);
    }
    [[nodiscard]] std::size_t count() const noexcept override { return numbers_.size(); }
    [[nodiscard]] Encoded encode(std::size_t number,
                                 const SessionLedger& /*session*/) noexcept override {
        return {0, all_.encode(numbers_[number], whole_.ledger()).octets};
    }

  private:
    OptionsRecords& all_;
    const std::size_t template_index_;
    const RecordSink& whole_;
    std::vector<std::size_t> numbers_; ///< in all_
};

/// Takes what a stream's session hands over, whose template is the only one there.
class SctpStreams::Taker final : public RecordSink {
  public:
    Taker(RecordSink& other, std::size_t template_index)
        : other_(other), template_index_(template_index) {}
    void append(const DataRecord& record, TimeNs now) noexcept override {
        DataRecord known = record;
        known.template_index = template_index_;
        other_.append(known, now);
    }
    void step(TimeNs now) noexcept override { other_.step(now); }
    void close(TimeNs now) noexcept override { other_.close(now); }
    void abandon() noexcept override { other_.abandon(); }
    [[nodiscard]] bool idle() const noexcept override { return other_.idle(); }
    [[nodiscard]] bool backlogged() const noexcept override { return other_.backlogged(); }
    [[nodiscard]] const std::string& name() const noexcept override { return other_.name(); }
    [[nodiscard]] const SessionLedger& ledger() const noexcept override { return other_.ledger(); }

  private:
    RecordSink& other_;
    const std::size_t template_index_;
};

void SctpStreams::Association::step(TimeNs now) noexcept {
    if (looked_at_ == now) return;
    looked_at_ = now;
    up_ = transport_->step(now);
    pass_on_failures();
    if (transport_->sessions() != association_) begin_association();
}

void SctpStreams::Association::begin_association() noexcept {
    association_ = transport_->sessions();
    blocked_ = SIZE_MAX;
    sequences_.assign(transport_->streams(), 0);
    for (std::size_t i = 0; i < streams_.size(); ++i) {
        numbered_[i].counted = 0;
        numbered_[i].sent = false;
        streams_[i]->begin_association();
    }
    if (transport_->streams() >= streams_.size() || !log_) return;
    log_("collector " + name_ + ": it takes " + std::to_string(transport_->streams()) +
         " streams for " + std::to_string(streams_.size()) +
         " templates; several templates share a stream");
}

void SctpStreams::Association::pass_on_failures() noexcept {
    while (const std::optional<FailedMessage> failed = transport_->take_failed()) {
        const Origin& origin = origins_[failed->number % origins_.size()];
        streams_[origin.stream]->failed({.number = origin.number, .expired = failed->expired});
    }
}

/// What the messages of an SCTP stream have counted so far, whichever session they were of.
std::uint32_t SctpStreams::Association::sequence_of(std::uint16_t number) noexcept {
    for (std::size_t i = number; i < streams_.size(); i += transport_->streams()) {
        if (!numbered_[i].sent) continue;
        const std::uint32_t reached = streams_[i]->next_sequence();
        sequences_[number] += reached - std::exchange(numbered_[i].counted, reached);
    }
    return sequences_[number];
}

// A message that had to wait has its Export Time; no other may overtake it with a later one.
SendVerdict SctpStreams::Association::send(std::size_t stream, Bytes message, TimeNs now) noexcept {
    if (blocked_ != SIZE_MAX && blocked_ != stream) return SendVerdict::would_block;
    const std::uint16_t number = number_of(stream);
    const std::uint32_t sequence = sequence_of(number);
    if (sequence != ipfix::load_be<std::uint32_t>(message.data() + ipfix::kSequenceNumberOffset)) {
        assert(message.size() <= renumbered_.size());
        std::memcpy(renumbered_.data(), message.data(), message.size());
        ipfix::store_be(renumbered_.data() + ipfix::kSequenceNumberOffset, sequence);
        message = {renumbered_.data(), message.size()};
    }
    const std::uint32_t context = transport_->messages();
    const SendVerdict verdict = transport_->send_on(number, message, now);
    blocked_ = verdict == SendVerdict::would_block ? stream : SIZE_MAX;
    if (verdict != SendVerdict::sent) return verdict;
    if (!numbered_[stream].sent) numbered_[stream].counted = streams_[stream]->next_sequence();
    numbered_[stream].sent = true;
    origins_[context % origins_.size()] = {.stream = stream,
                                           .number = streams_[stream]->messages()};
    return verdict;
}

void SctpStreams::Association::abort() noexcept {
    transport_->abort();
    pass_on_failures();
}

bool SctpStreams::Association::finish(std::size_t stream, TimeNs now) noexcept {
    numbered_[stream].finished = true;
    const bool all = std::all_of(numbered_.begin(), numbered_.end(),
                                 [](const Numbered& one) { return one.finished; });
    return all && transport_->finish(now);
}

void SctpStreams::Association::close(std::size_t stream) noexcept {
    numbered_[stream].closed = true;
    if (blocked_ == stream) blocked_ = SIZE_MAX;
    const bool all = std::all_of(numbered_.begin(), numbered_.end(),
                                 [](const Numbered& one) { return one.closed; });
    if (all) transport_->close();
}

SctpStreams::SctpStreams(const CollectorOptions& collector, const ExportOptions& options,
                         std::uint32_t domain_id, const TemplateView& templates,
                         std::unique_ptr<SctpTransport> transport, OptionsRecords* options_records,
                         LogLine log)
    : name_(collector.url),
      association_(
          std::make_unique<Association>(std::move(transport), collector.url, std::move(log))),
      session_at_(templates.all().size(), SIZE_MAX) {
    for (std::size_t i = 0; i < templates.all().size(); ++i) {
        if (templates.in_use_data(i)) {
            session_at_[i] = places_.size();
            places_.push_back(i);
        }
    }
    std::vector<ipfix::TemplateRecord> taken(templates.all().begin(), templates.all().end());
    if (options_records != nullptr) {
        const auto theirs = options_records->templates();
        taken.insert(taken.end(), theirs.begin(), theirs.end());
    }
    ExportOptions shared = options;
    shared.queue_octets = std::max(
        kQueueOctetsMin, static_cast<std::uint32_t>(options.queue_octets /
                                                    std::max<std::size_t>(data_sessions(), 1)));
    for (const std::size_t place : places_) {
        std::unique_ptr<Reliability> reliability;
        if (options_records != nullptr) {
            reliability = std::make_unique<Reliability>(free_template_id(taken, UINT16_MAX),
                                                        templates.all()[place].id(),
                                                        collector.sctp.lifetime == kNever);
            taken.push_back(reliability->templates().front());
        }
        add_data_session(collector, shared, domain_id, templates.all().subspan(place, 1),
                         std::move(reliability));
    }
    shared.queue_octets = kQueueOctetsMin;
    if (options_records != nullptr) {
        add_options_sessions(collector, shared, domain_id, *options_records);
    }
}

SctpStreams::~SctpStreams() = default;

std::unique_ptr<SctpStreams::Stream> SctpStreams::next_stream() {
    return std::make_unique<Stream>(*association_);
}

void SctpStreams::add_data_session(const CollectorOptions& collector, const ExportOptions& options,
                                   std::uint32_t domain_id,
                                   std::span<const ipfix::TemplateRecord> own,
                                   std::unique_ptr<OptionsSource> reliability) {
    auto stream = next_stream();
    Stream& seen = *stream;
    OptionsSource* const source = reliability.get();
    if (source != nullptr) sources_.push_back(std::move(reliability));
    sessions_.push_back(std::make_unique<CollectorSession>(collector, options, domain_id, own,
                                                           std::move(stream), source));
    seen.set_session(*sessions_.back());
}

void SctpStreams::add_options_sessions(const CollectorOptions& collector,
                                       const ExportOptions& options, std::uint32_t domain_id,
                                       OptionsRecords& records) {
    for (std::size_t i = 0; i < records.templates().size(); ++i) {
        sources_.push_back(std::make_unique<OptionsOfTemplate>(records, i, *this));
        auto stream = next_stream();
        Stream& seen = *stream;
        sessions_.push_back(std::make_unique<CollectorSession>(
            collector, options, domain_id, std::span<const ipfix::TemplateRecord>(),
            std::move(stream), sources_.back().get()));
        seen.set_session(*sessions_.back());
    }
}

void SctpStreams::append(const DataRecord& record, TimeNs now) noexcept {
    assert(session_at_[record.template_index] != SIZE_MAX);
    DataRecord alone = record;
    alone.template_index = 0;
    sessions_[session_at_[record.template_index]]->append(alone, now);
}

void SctpStreams::step(TimeNs now) noexcept {
    for (const auto& session : sessions_)
        session->step(now);
    if (!closing_ || last_options_) return;
    for (std::size_t i = 0; i < data_sessions(); ++i) {
        if (!association_->finished(i)) return;
    }
    last_options_ = true;
    for (std::size_t i = data_sessions(); i < sessions_.size(); ++i)
        sessions_[i]->close(now);
}

void SctpStreams::close(TimeNs now) noexcept {
    closing_ = true;
    for (std::size_t i = 0; i < data_sessions(); ++i)
        sessions_[i]->close(now);
    step(now);
}

void SctpStreams::abandon() noexcept {
    closing_ = last_options_ = true;
    for (const auto& session : sessions_)
        session->abandon();
}

bool SctpStreams::idle() const noexcept {
    const auto idle = [](const auto& session) { return session->idle(); };
    return (!closing_ || last_options_) && std::all_of(sessions_.begin(), sessions_.end(), idle);
}

bool SctpStreams::backlogged() const noexcept {
    return std::any_of(sessions_.begin(), sessions_.end(),
                       [](const auto& session) { return session->backlogged(); });
}

const SessionLedger& SctpStreams::ledger() const noexcept {
    ledger_ = {};
    for (const auto& session : sessions_) {
        ledger_.add_outcome(session->ledger());
        ledger_.offered.add(session->ledger().offered);
        ledger_.handed_over.add(session->ledger().handed_over);
    }
    ledger_.sessions = association_->transport().sessions();
    ledger_.send_errors = association_->transport().errors();
    return ledger_;
}

bool SctpStreams::available() const noexcept {
    return association_->up();
}

std::size_t SctpStreams::message_octets() const noexcept {
    return association_->transport().max_message_octets() - ipfix::kMessageHeaderOctets -
           ipfix::kSetHeaderOctets;
}

void SctpStreams::hand_over(RecordSink& other, TimeNs now) noexcept {
    for (std::size_t i = 0; i < data_sessions(); ++i) {
        Taker taker(other, places_[i]);
        sessions_[i]->hand_over(taker, now);
    }
}

} // namespace probe

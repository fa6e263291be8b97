// SPDX-License-Identifier: BSD-3-Clause
// `parshall collect URL`: a small collector for people who wonder what an exporter sends, and with
// --check a judge of how.
#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <utility>
#include <vector>

#include "probe/collecting/message_source.hpp"
#include "probe/collecting/record_printer.hpp"
#include "probe/collecting/verdict_report.hpp"
#include "probe/commands/assembly.hpp"
#include "probe/commands/commands.hpp"
#include "probe/commands/signal_thread.hpp"
#include "probe/config/collector_url.hpp"
#include "probe/exporting/text_sink.hpp"
#include "probe/lcores/clock.hpp"

namespace probe {

namespace {

constexpr TimeNs kSilence = 10 * kNsPerSecond; // then the operator hears of it
constexpr int kPatienceMs = 200;               // how late that, and --for, may be

/// All sessions of one run, what is printed of them, and whether that is enough.
class Collection final : public SessionBook, public ipfix::RecordVisitor {
  public:
    explicit Collection(const CommandLine& words)
        : words_(words),
          printer_(words.json || isatty(STDOUT_FILENO) == 0 ? RecordPrinter::Form::json
                                                            : RecordPrinter::Form::table,
                   terminal_columns(), [this](std::string& text) { write(text); }) {}

    [[nodiscard]] std::unique_ptr<ReceivedSession> begin(const std::string& name,
                                                         ipfix::SessionKind kind) override {
        tell(name + " begins");
        auto session = std::make_unique<ReceivedSession>(
            name, ipfix::CheckOptions{.kind = kind}, this,
            [this, name](ipfix::Rule rule, const ipfix::Finding& finding) {
                const ipfix::RuleText& text = ipfix::rule_text(rule);
                if (words_.check || text.costs_records) {
                    tell_operator(name + ": " + finding_text(finding));
                }
            });
        live_.push_back(session.get());
        ++sessions_;
        return session;
    }

    void end(ReceivedSession& session, const std::string& why) override {
        session.end();
        messages_ended_ += session.checker().totals().messages;
        violations_ += session.checker().findings().violations();
        std::erase(live_, &session);
        if (!why.empty()) {
            tell(session.name() + ": " + why);
        }
        if (words_.check) {
            std::string text = words_.json ? verdict_json(session.name(), session.checker())
                                           : verdict_table(session.name(), session.checker());
            write(text);
        } else {
            summarize(session);
        }
    }

    [[nodiscard]] bool enough() const noexcept override {
        return broken_ || (words_.records_max && records_ >= *words_.records_max) ||
               (words_.messages_max && messages() >= *words_.messages_max);
    }

    void on_template(std::uint32_t domain_id, const ipfix::ReadTemplate& description) override {
        printer_.on_template(domain_id, description);
    }
    void on_record(const ipfix::ReadRecord& record) override {
        if (words_.records_max && records_ >= *words_.records_max) {
            return;
        }
        ++records_;
        if (!words_.check) {
            printer_.on_record(record);
        }
    }

    [[nodiscard]] std::uint64_t messages() const noexcept {
        std::uint64_t sum = messages_ended_;
        for (const ReceivedSession* session : live_) {
            sum += session->checker().totals().messages;
        }
        return sum;
    }
    [[nodiscard]] std::size_t sessions() const noexcept { return sessions_; }
    [[nodiscard]] std::size_t connected() const noexcept { return live_.size(); }
    [[nodiscard]] std::uint64_t violations() const noexcept { return violations_; }

    /// What was printed goes out.
    void flush() {
        if (std::fflush(stdout) != 0) {
            broken_ = true;
        }
    }

  private:
    void write(std::string& text) {
        if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
            broken_ = true; // the reader has gone
        }
        text.clear();
    }
    void tell(const std::string& line) const {
        if (!words_.quiet) {
            tell_operator(line);
        }
    }
    void summarize(const ReceivedSession& session) const {
        const ipfix::SessionTotals& totals = session.checker().totals();
        tell(fmt::format(
            "{}: {} messages, {} flow records, {} options records{}{}", session.name(),
            totals.messages, totals.flow_records, totals.options_records,
            totals.records_missing != 0
                ? fmt::format(", {} records missing by sequence number", totals.records_missing)
                : "",
            session.checker().findings().violations() != 0
                ? "; not all is as it should be: --check tells"
                : ""));
        for (const std::string& said : session.checker().diagnoses()) {
            tell(session.name() + ": " + said);
        }
    }

    const CommandLine& words_;
    RecordPrinter printer_;
    std::vector<ReceivedSession*> live_;
    std::size_t sessions_ = 0;
    std::uint64_t records_ = 0;
    std::uint64_t messages_ended_ = 0;
    std::uint64_t violations_ = 0;
    bool broken_ = false;
};

/// Says in plain words that nothing comes, once in every silence.
class SilenceWatch {
  public:
    SilenceWatch(std::string url, TimeNs now) : url_(std::move(url)), since_(now) {}

    void look(const Collection& all, TimeNs now) {
        if (all.messages() != messages_ || all.sessions() != sessions_) {
            messages_ = all.messages();
            sessions_ = all.sessions();
            since_ = now;
            told_ = false;
        }
        if (told_ || now < since_ + kSilence) {
            return;
        }
        told_ = true;
        const auto seconds = kSilence / kNsPerSecond;
        if (messages_ != 0) {
            tell_operator(fmt::format("no message in {} s on {}", seconds, url_));
        } else if (all.connected() != 0) {
            tell_operator(
                fmt::format("connected, but no message in {} s on {}: nothing to report, or not an "
                            "IPFIX exporter",
                            seconds, url_));
        } else {
            tell_operator(fmt::format(
                "nothing came in {} s on {}: does the exporter send to this address and port, and "
                "does a firewall let it? `tcpdump -ni any port {}` shows what reaches this machine",
                seconds, url_, url_.substr(url_.rfind(':') + 1)));
        }
    }

  private:
    std::string url_;
    TimeNs since_;
    bool told_ = false;
    std::uint64_t messages_ = 0;
    std::size_t sessions_ = 0;
};

/// A file descriptor that a signal makes readable.
class StopEvent {
  public:
    explicit StopEvent(SignalThread& signals)
        : signals_(signals), fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        if (fd_ < 0) {
            throw std::runtime_error(std::string("no eventfd: ") + std::strerror(errno));
        }
        signals_.set([this] { static_cast<void>(::eventfd_write(fd_, 1)); }, {});
    }
    ~StopEvent() {
        signals_.set({}, {});
        ::close(fd_);
    }
    StopEvent(const StopEvent&) = delete;
    StopEvent& operator=(const StopEvent&) = delete;
    [[nodiscard]] int fd() const noexcept { return fd_; }

  private:
    SignalThread& signals_;
    int fd_;
};

} // namespace

int collect_command(const CommandLine& words, SignalThread& signals) {
    const CollectorOptions where = parse_collector_url(words.files.front());
    Collection all(words);
    const StopEvent stop(signals);
    const auto source = open_message_source(where, tell_operator);
    const std::string url = words.files.front();
    if (!words.quiet) {
        tell_operator(fmt::format("listening on {} (port {})", url, source->port()));
    }
    const TimeNs begin = wall_clock_ns();
    SilenceWatch silence(fmt::format("{} port:{}", url, source->port()), begin);
    std::vector<pollfd> polls;
    while (!all.enough()) {
        const TimeNs now = wall_clock_ns();
        if (words.duration && now >= begin + *words.duration) {
            break;
        }
        polls.assign(1, {stop.fd(), POLLIN, 0});
        source->append_polls(polls);
        const int ready = ::poll(polls.data(), polls.size(), kPatienceMs);
        if (ready > 0 && polls.front().revents != 0) {
            break;
        }
        source->take(all, wall_clock_ns());
        all.flush();
        silence.look(all, wall_clock_ns());
    }
    source->close(all);
    all.flush();
    if (all.sessions() == 0) {
        tell_operator("nothing came");
    }
    return words.check && (all.violations() != 0 || all.messages() == 0) ? kExitEnvironment
                                                                         : kExitDone;
}

} // namespace probe

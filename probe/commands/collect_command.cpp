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
#include "probe/collecting/silence_watch.hpp"
#include "probe/collecting/verdict_report.hpp"
#include "probe/commands/assembly.hpp"
#include "probe/commands/commands.hpp"
#include "probe/commands/signal_thread.hpp"
#include "probe/config/collector_url.hpp"
#include "probe/exporting/text_sink.hpp"
#include "probe/lcores/clock.hpp"

namespace probe {

namespace {

constexpr int kPatienceMs = 200; // how late a word on silence, and --for, may be

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
            tell_operator(session.name() + ": " + why);
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

/// A file descriptor that a signal makes readable.
class StopEvent {
  public:
    StopEvent() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        if (fd_ < 0) {
            throw std::runtime_error(std::string("no eventfd: ") + std::strerror(errno));
        }
    }
    ~StopEvent() { ::close(fd_); }
    StopEvent(const StopEvent&) = delete;
    StopEvent& operator=(const StopEvent&) = delete;
    void set() const noexcept { static_cast<void>(::eventfd_write(fd_, 1)); }
    [[nodiscard]] int fd() const noexcept { return fd_; }

  private:
    int fd_;
};

} // namespace

int collect_command(const CommandLine& words, SignalThread& signals) {
    CollectorOptions where = parse_collector_url(words.files.front());
    where.tls = {
        .ca = words.ca, .certificate = words.certificate, .key = words.key, .name = words.exporter};
    where.sctp.encapsulation = words.encapsulation;
    Collection all(words);
    const StopEvent stop;
    const OnStop on_stop(signals, [&stop] { stop.set(); });
    const auto source = open_message_source(where, tell_operator);
    const std::string url = words.files.front();
    if (!words.quiet) {
        tell_operator(fmt::format("listening on {} (port {})", url, source->port()));
    }
    const TimeNs begin = wall_clock_ns();
    SilenceWatch silence(url, source->port(), begin);
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
        const std::string said = silence.look(all.messages(), all.connected(), wall_clock_ns());
        if (!said.empty()) {
            tell_operator(said);
        }
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

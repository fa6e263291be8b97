// SPDX-License-Identifier: BSD-3-Clause
#include "probe/telemetry/ledger_snapshot.hpp"

#include <fmt/format.h>

#include <cctype>
#include <string>

namespace probe {

namespace {

PacketSum sum_of(const PacketTally& tally) {
    return {tally.packets.get(), tally.octets.get()};
}

RecordTally sum_of(const MeteredTally& tally) {
    return {tally.records.get(), tally.packets.get(), tally.octets.get()};
}

void add(PacketSum& sum, const PacketSum& part) {
    sum.packets += part.packets;
    sum.octets += part.octets;
}

void expect_equal(std::vector<std::string>& wrong, std::string_view what, std::uint64_t left,
                  std::uint64_t right) {
    if (left != right) {
        wrong.push_back(fmt::format("{}: {} is not {}", what, left, right));
    }
}

void expect_equal(std::vector<std::string>& wrong, const std::string& what, const RecordTally& left,
                  const RecordTally& right) {
    expect_equal(wrong, what + ", records", left.records, right.records);
    expect_equal(wrong, what + ", packets", left.packets, right.packets);
    expect_equal(wrong, what + ", octets", left.octets, right.octets);
}

void expect_balance(std::vector<std::string>& wrong, const SinkSum& sink) {
    RecordTally told = sink.ledger.sent;
    told.add(sink.ledger.queued);
    told.add(sink.ledger.spooled);
    told.add(sink.ledger.handed_over);
    told.add(sink.ledger.lost_total());
    RecordTally given = sink.ledger.offered;
    given.add(sink.ledger.recovered);
    expect_equal(wrong,
                 sink.name + ": offered + recovered = sent + queued + spooled + handed over + lost",
                 given, told);
}

/// What a group's collectors handed over to each other, they were offered twice.
void expect_sum_of_members(std::vector<std::string>& wrong, const SinkSum& group) {
    if (group.members.empty()) {
        return;
    }
    RecordTally offered;
    RecordTally sent;
    RecordTally shared = group.ledger.offered;
    for (const SinkSum& member : group.members) {
        expect_balance(wrong, member);
        offered.add(member.ledger.offered);
        sent.add(member.ledger.sent);
        shared.add(member.ledger.handed_over);
    }
    expect_equal(wrong, group.name + ": offered to its collectors = offered + handed over", offered,
                 shared);
    expect_equal(wrong, group.name + ": sent = sent by its collectors", group.ledger.sent, sent);
}

} // namespace

SinkSum SinkSum::of(const RecordSink& sink) {
    SinkSum sum{.name = sink.name(), .ledger = sink.ledger(), .members = {}, .absent = {}};
    for (const auto& member : sink.members()) {
        sum.members.push_back(of(*member));
    }
    return sum;
}

void LedgerSnapshot::add(const MeteringLedger& ledger, const LiveTotals& its_live) {
    probe::add(received, sum_of(ledger.received));
    probe::add(metered, sum_of(ledger.metered));
    metered_ip_octets += ledger.metered_ip_octets.get();
    for (std::size_t v = 0; v < kParseVerdicts; ++v) {
        probe::add(parse[v], sum_of(ledger.parse[v]));
    }
    for (std::size_t v = 0; v < kMeterVerdicts; ++v) {
        probe::add(meter[v], sum_of(ledger.meter[v]));
    }
    for (std::size_t r = 0; r < kFlowEndReasons; ++r) {
        records_made[r].add(sum_of(ledger.records_made[r]));
    }
    records_lost_queue_full.add(sum_of(ledger.records_lost_queue_full));
    flows_made += ledger.flows_made.get();
    later_fragments += ledger.later_fragments.get();
    transport_cut += ledger.transport_cut.get();
    extension_chain_cut += ledger.extension_chain_cut.get();
    for (std::size_t c = 0; c < kApplicationCounts; ++c) {
        application[c] += ledger.application.counts[c].get();
    }
    flows_left_out += ledger.flows_left_out[0].get() + ledger.flows_left_out[1].get();
    left_out_lookups += ledger.left_out_lookups.get();
    live.flows += its_live.flows;
    live.packets += its_live.packets;
    live.octets += its_live.octets;
}

RecordTally LedgerSnapshot::records_made_total() const {
    RecordTally total;
    for (const RecordTally& part : records_made) {
        total.add(part);
    }
    return total;
}

std::vector<std::string> LedgerSnapshot::proof(std::uint64_t records_waiting) const {
    std::vector<std::string> wrong;
    PacketSum accounted = metered;
    for (const PacketSum& part : parse) {
        probe::add(accounted, part);
    }
    for (const PacketSum& part : meter) {
        probe::add(accounted, part);
    }
    expect_equal(wrong, "packets received = metered + ignored + dropped", received.packets,
                 accounted.packets);
    expect_equal(wrong, "frame octets received = metered + ignored + dropped", received.octets,
                 accounted.octets);
    const RecordTally made = records_made_total();
    expect_equal(wrong, "packets metered = in records + in live flows", metered.packets,
                 made.packets + live.packets);
    expect_equal(wrong, "IP octets metered = in records + in live flows", metered_ip_octets,
                 made.octets + live.octets);
    expect_equal(wrong, "records made = encoded + lost + waiting", made.records,
                 encoded.records + records_lost_queue_full.records + records_waiting);
    if (records_waiting == 0) {
        RecordTally arrived = encoded;
        arrived.add(records_lost_queue_full);
        expect_equal(wrong, "made = encoded + lost", made, arrived);
    }
    expect_equal(
        wrong, "flows taken under inspection = with result + without + refused + inspecting",
        of(ApplicationCount::flows_taken),
        of(ApplicationCount::flows_with_result) + of(ApplicationCount::flows_without_result) +
            of(ApplicationCount::results_refused) + of(ApplicationCount::flows_inspecting));
    const std::uint64_t labelled =
        of(ApplicationCount::labelled_by_host) + of(ApplicationCount::labelled_by_parser) +
        of(ApplicationCount::labelled_by_pattern) + of(ApplicationCount::labelled_by_port) +
        of(ApplicationCount::not_labelled);
    if (labelled != 0 && settled) { // without rules nothing is labelled
        expect_equal(wrong, "flows labelled or not = flows inspected", labelled,
                     of(ApplicationCount::flows_with_result) +
                         of(ApplicationCount::flows_without_result) +
                         of(ApplicationCount::results_refused));
    }
    for (const SinkSum& sink : sinks) {
        RecordTally due = sink.absent;
        due.add(sink.ledger.offered);
        expect_equal(wrong, sink.name + ": offered + absent = encoded", due, encoded);
        expect_balance(wrong, sink);
        expect_sum_of_members(wrong, sink);
    }
    return wrong;
}

namespace {

/// Lines of the table: a name, and up to three numbers in columns.
class Table {
  public:
    void heading(std::string_view what, std::string_view a, std::string_view b,
                 std::string_view c = {}) {
        out_ += fmt::format("{:<44}{:>16}{:>18}{:>20}\n", what, a, b, c);
    }
    void line(const std::string& what, std::uint64_t a, std::uint64_t b) {
        out_ += fmt::format("  {:<42}{:>16}{:>18}\n", what, a, b);
    }
    void line(const std::string& what, const RecordTally& t) {
        out_ += fmt::format("  {:<42}{:>16}{:>18}{:>20}\n", what, t.records, t.packets, t.octets);
    }
    void text(const std::string& what) { out_ += what + "\n"; }
    [[nodiscard]] std::string take() { return std::move(out_); }

  private:
    std::string out_;
};

std::string spaced(std::string_view name) {
    std::string out(name);
    for (char& c : out) {
        if (c == '_') {
            c = ' ';
        }
    }
    return out;
}

void write_packets(Table& table, const LedgerSnapshot& s) {
    table.heading("packets", "packets", "frame octets");
    table.line("received", s.received.packets, s.received.octets);
    table.line("metered", s.metered.packets, s.metered.octets);
    for (std::size_t v = 1; v < kParseVerdicts; ++v) {
        if (s.parse[v].packets != 0) {
            table.line(spaced(kParseVerdictNames[v]), s.parse[v].packets, s.parse[v].octets);
        }
    }
    for (std::size_t v = 1; v < kMeterVerdicts; ++v) {
        if (s.meter[v].packets != 0) {
            table.line(spaced(kMeterVerdictNames[v]), s.meter[v].packets, s.meter[v].octets);
        }
    }
    const auto note = [&](std::uint64_t n, const char* what) {
        if (n != 0) {
            table.text(fmt::format("  (of the metered, {} {})", n, what));
        }
    };
    note(s.later_fragments, "were fragments but the first: ports 0");
    note(s.transport_cut, "were cut before their ports: ports 0");
    note(s.extension_chain_cut, "had IPv6 extension headers beyond the bound");
    if (s.left_out_lookups != 0) {
        table.text(
            fmt::format("  ({} packets were looked for in rte_hash too: their bucket of the "
                        "index had been full)",
                        s.left_out_lookups));
    }
}

void write_application(Table& table, const LedgerSnapshot& s) {
    if (s.of(ApplicationCount::flows_taken) + s.of(ApplicationCount::flows_refused) == 0) {
        return;
    }
    table.text("layer 7");
    for (std::size_t c = 0; c < kApplicationCounts; ++c) {
        if (s.application[c] != 0) {
            table.text(
                fmt::format("  {:<42}{:>16}", spaced(kApplicationCountNames[c]), s.application[c]));
        }
    }
    if (s.texts_cut_for_record != 0) {
        table.text(
            fmt::format("  {:<42}{:>16}", "texts cut to fit the record", s.texts_cut_for_record));
    }
}

void write_sink(Table& table, const SinkSum& sink, const char* to) {
    table.heading(to + sink.name, "records", "packets", "IP octets");
    table.line("sent", sink.ledger.sent);
    if (sink.ledger.queued.records != 0) {
        table.line("queued", sink.ledger.queued);
    }
    if (sink.ledger.recovered.records != 0) {
        table.line("recovered from the spool", sink.ledger.recovered);
    }
    if (sink.ledger.spooled.records != 0) {
        table.line("spooled", sink.ledger.spooled);
    }
    if (sink.ledger.handed_over.records != 0) {
        table.line("handed over", sink.ledger.handed_over);
    }
    for (std::size_t r = 0; r < kLossReasons; ++r) {
        if (sink.ledger.lost[r].records != 0) {
            table.line("lost: " + spaced(kLossReasonNames[r]), sink.ledger.lost[r]);
        }
    }
    if (sink.ledger.messages_sent != 0) {
        table.text(fmt::format(
            "  {} messages, {} octets, {} template records, {} options records, {} sessions",
            sink.ledger.messages_sent, sink.ledger.message_octets_sent, sink.ledger.templates_sent,
            sink.ledger.options_sent, sink.ledger.sessions));
        if (sink.ledger.options_too_large != 0) {
            table.text(fmt::format("  {} options records too large for a message",
                                   sink.ledger.options_too_large));
        }
    }
    for (std::size_t e = 0; e < kSendErrors; ++e) {
        if (sink.ledger.send_errors[e] != 0) {
            table.text(fmt::format("  send errors: {} {}", sink.ledger.send_errors[e],
                                   spaced(kSendErrorNames[e])));
        }
    }
}

void write_records(Table& table, const LedgerSnapshot& s) {
    table.heading("flow records", "records", "packets", "IP octets");
    for (std::size_t r = 1; r < kFlowEndReasons; ++r) {
        if (s.records_made[r].records != 0) {
            table.line(spaced(kFlowEndReasonNames[r]), s.records_made[r]);
        }
    }
    table.line("made", s.records_made_total());
    if (s.live.flows != 0) {
        table.line("live flows", RecordTally{s.live.flows, s.live.packets, s.live.octets});
    }
    if (s.records_lost_queue_full.records != 0) {
        table.line("lost: record queue full", s.records_lost_queue_full);
    }
    const auto note = [&](std::uint64_t records, const char* what) {
        if (records != 0) table.text(fmt::format("  ({} of them {})", records, what));
    };
    note(s.wide_records, "had a number that needed the wider template");
    note(s.records_without_common, "went out whole: the table of common properties is full");
    for (const SinkSum& sink : s.sinks) {
        write_sink(table, sink, "to ");
        for (const SinkSum& member : sink.members) {
            write_sink(table, member, "  of these, to ");
        }
    }
}

} // namespace

std::string LedgerSnapshot::to_text() const {
    Table table;
    for (const PortSum& port : ports) {
        table.text(
            fmt::format("port {} ({}): {} received, {} missed, {} without buffer, {} errors{}{}",
                        port.name, port.driver, port.received, port.missed, port.no_buffer,
                        port.errors, port.gap.empty() ? "" : "; ", port.gap));
    }
    write_packets(table, *this);
    write_application(table, *this);
    write_records(table, *this);
    for (const RoleSum& role : roles) {
        table.text(fmt::format("{}: {:.1f} % busy", role.name, role.busy_share * 100));
    }
    return table.take();
}

namespace {

std::string json_string(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
            out += c;
        }
    }
    return out + '"';
}

std::string json(const PacketSum& sum) {
    return fmt::format(R"({{"packets":{},"octets":{}}})", sum.packets, sum.octets);
}

std::string json(const RecordTally& tally) {
    return fmt::format(R"({{"records":{},"packets":{},"octets":{}}})", tally.records, tally.packets,
                       tally.octets);
}

/// {"name":value,...} from index `from` on.
template <class Names, class Values>
std::string json_map(const Names& names, const Values& values, std::size_t from) {
    std::string out = "{";
    for (std::size_t i = from; i < values.size(); ++i) {
        out += fmt::format("{}\"{}\":{}", i == from ? "" : ",", names[i], json(values[i]));
    }
    return out + "}";
}

/// "flows_taken" as JSON's other names are: "flowsTaken".
std::string camel(std::string_view name) {
    std::string out;
    for (std::size_t i = 0; i < name.size(); ++i) {
        if (name[i] == '_' && i + 1 < name.size()) {
            out += static_cast<char>(std::toupper(static_cast<unsigned char>(name[++i])));
        } else {
            out += name[i];
        }
    }
    return out;
}

std::string application_json(const LedgerSnapshot& s) {
    std::string out = "{";
    for (std::size_t c = 0; c < kApplicationCounts; ++c) {
        out += fmt::format("\"{}\":{},", camel(kApplicationCountNames[c]), s.application[c]);
    }
    return out + fmt::format("\"textsCutForRecord\":{}}}", s.texts_cut_for_record);
}

template <class Items, class Write>
std::string json_list(const Items& items, Write write) {
    std::string out = "[";
    for (const auto& item : items) {
        out += (out.size() == 1 ? "" : ",") + write(item);
    }
    return out + "]";
}

std::string json(const SinkSum& sink) {
    const SessionLedger& l = sink.ledger;
    std::string errors;
    for (std::size_t e = 0; e < kSendErrors; ++e) {
        errors +=
            fmt::format("{}\"{}\":{}", e == 0 ? "" : ",", kSendErrorNames[e], l.send_errors[e]);
    }
    std::string members;
    if (!sink.members.empty()) {
        members = R"(,"members":)" +
                  json_list(sink.members, [](const SinkSum& one) { return json(one); });
    }
    return fmt::format(
        R"({{"name":{},"offered":{},"absent":{},"recovered":{},"sent":{},"queued":{},"spooled":{},)"
        R"("handedOver":{},)"
        R"("lost":{},"messages":{},)"
        R"("messageOctets":{},)"
        R"("templateRecords":{},"optionsRecords":{},"optionsTooLarge":{},)"
        R"("sessions":{},"sendErrors":{{{}}}{}}})",
        json_string(sink.name), json(l.offered), json(sink.absent), json(l.recovered), json(l.sent),
        json(l.queued), json(l.spooled), json(l.handed_over), json_map(kLossReasonNames, l.lost, 0),
        l.messages_sent, l.message_octets_sent, l.templates_sent, l.options_sent,
        l.options_too_large, l.sessions, errors, members);
}

} // namespace

std::string LedgerSnapshot::to_json() const {
    std::string verdicts = json_map(kParseVerdictNames, parse, 1);
    const std::string more = json_map(kMeterVerdictNames, meter, 1);
    verdicts.back() = ',';
    verdicts += more.substr(1);
    const std::string port_list = json_list(ports, [](const PortSum& port) {
        return fmt::format(
            R"({{"name":{},"driver":{},"received":{},"missed":{},"noBuffer":{},"errors":{}}})",
            json_string(port.name), json_string(port.driver), port.received, port.missed,
            port.no_buffer, port.errors);
    });
    const std::string role_list = json_list(roles, [](const RoleSum& role) {
        return fmt::format(R"({{"name":{},"busyShare":{:.4f}}})", json_string(role.name),
                           role.busy_share);
    });
    return fmt::format(
        R"({{"received":{},"metered":{},"meteredIpOctets":{},"refused":{},"laterFragments":{},)"
        R"("transportCut":{},"extensionChainCut":{},"flowsMade":{},"flowsLeftOut":{},)"
        R"("leftOutLookups":{},"liveFlows":{},"application":{},"recordsMade":{},)"
        R"("recordsMadeTotal":{},"recordsLostQueueFull":{},"wideRecords":{},)"
        R"("recordsWithoutCommon":{},"encoded":{},"collectors":{},)"
        R"("ports":{},"roles":{}{}}})",
        json(received), json(metered), metered_ip_octets, verdicts, later_fragments, transport_cut,
        extension_chain_cut, flows_made, flows_left_out, left_out_lookups,
        json(RecordTally{live.flows, live.packets, live.octets}), application_json(*this),
        json_map(kFlowEndReasonNames, records_made, 1), json(records_made_total()),
        json(records_lost_queue_full), wide_records, records_without_common, json(encoded),
        json_list(sinks, [](const SinkSum& sink) { return json(sink); }), port_list, role_list,
        settled ? fmt::format(R"(,"ledgerCloses":{})", proof().empty()) : std::string());
}

} // namespace probe

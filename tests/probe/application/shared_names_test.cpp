// SPDX-License-Identifier: BSD-3-Clause
// The inspector on real captures, against what other projects expect of them: FlowTest's
// annotations, ipfixprobe's plugin outputs, nDPI's results. The captures are not part of the
// project: see shared_captures().
#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "probe/application/text_lines.hpp"
#include "tests/probe/application/capture_flows.hpp"
#include "tests/support/catch.hpp"

namespace probe::test {
namespace {

using F = ApplicationField;
using P = ApplicationProtocol;

InspectorOptions with_ja3() {
    InspectorOptions options;
    options.fingerprints.ja3 = true;
    return options;
}

/// Cells between commas; quotes around a cell are taken off, also where commas stand in them.
std::vector<std::string> cells_of(const std::string& line) {
    std::vector<std::string> cells(1);
    bool quoted = false;
    for (const char c : line) {
        if (c == '"') {
            quoted = !quoted;
        } else if (c == ',' && !quoted) {
            cells.emplace_back();
        } else {
            cells.back() += c;
        }
    }
    return cells;
}

using Row = std::map<std::string, std::string>;

/// The rows of a table whose names are in the line that `is_names` picks. Names lose the type that
/// ipfixprobe writes in front of them.
std::vector<Row> table(const std::string& path, const std::string& first_name) {
    std::ifstream file(path);
    std::vector<std::vector<std::string>> lines;
    std::vector<std::string> names;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(first_name)) {
            names = cells_of(line);
            for (std::string& name : names) {
                name.erase(0, name.find(' ') + 1);
            }
        } else {
            lines.push_back(cells_of(line));
        }
    }
    std::vector<Row> rows;
    for (const std::vector<std::string>& line : lines) {
        Row row;
        for (std::size_t i = 0; i < std::min(names.size(), line.size()); ++i) {
            row[names[i]] = line[i];
        }
        rows.push_back(row);
    }
    return rows;
}

std::string text_of(const InspectedFlow& flow, F field) {
    return std::string(flow.found->fields.text(field));
}
std::string number_of(const InspectedFlow& flow, F field) {
    const auto number = flow.found->fields.number(field);
    return number ? std::to_string(*number) : std::string();
}

/// The flows between two ends, in either direction.
std::vector<const InspectedFlow*> between(const std::vector<InspectedFlow>& flows,
                                          const std::string& a, const std::string& a_port,
                                          const std::string& b, const std::string& b_port) {
    std::vector<const InspectedFlow*> found;
    for (const InspectedFlow& flow : flows) {
        const std::string source_port = std::to_string(flow.source_port);
        const std::string destination_port = std::to_string(flow.destination_port);
        if ((flow.source == a && source_port == a_port && flow.destination == b &&
             destination_port == b_port) ||
            (flow.source == b && source_port == b_port && flow.destination == a &&
             destination_port == a_port)) {
            found.push_back(&flow);
        }
    }
    return found;
}

struct Expectation {
    const char* capture;
    std::vector<std::pair<F, std::string>> values;
};

TEST_CASE("FlowTest's annotations hold", "[application][shared]") {
    const std::string folder = shared_captures();
    if (folder.empty()) {
        WARN("skipped: no captures of other projects");
        return;
    }
    // From flowtest/annotations/*.yml, whose numbers are written in decimal here. Not taken:
    // http2_switch's status 200, which is in the HTTP/2 part; 101 is the one in clear.
    const std::vector<Expectation> expectations = {
        {"dns_a",
         {{F::dns_id, "14402"},
          {F::dns_name, "newportconceptsla.com"},
          {F::dns_type, "1"},
          {F::dns_class, "1"},
          {F::dns_rcode, "0"},
          {F::dns_answer_ttl, "136"},
          {F::dns_answer_data, "192.168.73.162,192.168.215.181"}}},
        {"dns_nx_domain", {{F::dns_rcode, "3"}}},
        {"dns_tcp",
         {{F::dns_id, "40226"},
          {F::dns_name, "32dual-long.weberdns.de"},
          {F::dns_answer_ttl, "3600"},
          {F::dns_answers, "32"}}},
        {"http_get",
         {{F::http_host, "packetlife.net"},
          {F::http_target, "/images/layout/logo.png"},
          {F::http_method, "GET"},
          {F::http_status, "200"},
          {F::http_user_agent, "Wget/1.12 (linux-gnu)"},
          {F::http_content_type, "image/png"}}},
        {"http_post",
         {{F::http_host, "ask.wireshark.org"},
          {F::http_target, "/"},
          {F::http_method, "POST"},
          {F::http_status, "403"},
          {F::http_user_agent, "curl/7.26.0"},
          {F::http_content_type, "text/html"}}},
        {"http_400", {{F::http_status, "400"}}},
        {"http2_switch",
         {{F::http_host, "nghttp2.org"},
          {F::http_target, "/robots.txt"},
          {F::http_method, "GET"},
          {F::http_user_agent, "curl/7.61.0"},
          {F::http_status, "101"},
          {F::http_upgrade, "h2c"}}},
        {"tls12_alpn",
         {{F::tls_server_version, "771"},
          {F::tls_cipher_suite, "52392"},
          {F::tls_alpn, "h2"},
          {F::tls_server_name, "seznam.cz"},
          {F::tls_client_version, "771"},
          {F::tls_issuer_common_name, "R3"},
          {F::tls_subject_common_name, "www.seznam.cz"},
          {F::tls_not_before, "230403050300Z"},
          {F::tls_not_after, "230702050259Z"},
          {F::tls_ja3, "7f9ee38af4d6bfadb75f00b209febe07"}}},
        {"tls13",
         {{F::tls_server_version, "32540"},
          {F::tls_cipher_suite, "4866"},
          {F::tls_server_name, "dogfish"},
          {F::tls_client_version, "32540"},
          {F::tls_ja3, "a66e498c488aa0523759691248cdfb01"}}},
        {"tls_malformed_cert",
         {{F::tls_server_version, "771"},
          {F::tls_cipher_suite, "49200"},
          {F::tls_client_version, "771"},
          {F::tls_ja3, "fbe7e189e37a07ee33706f86bc746344"}}},
        // Of three handshakes on the same ports the capture's flow keeps the first.
        {"wg_udp_stream",
         {{F::wireguard_initiator, "3580317389"}, {F::wireguard_responder, "2588969467"}}},
    };
    ApplicationInspector inspector(with_ja3());
    for (const Expectation& expected : expectations) {
        INFO(expected.capture);
        const auto flows =
            inspect_capture(folder + "/flowtest/pcap/" + expected.capture + ".pcap", inspector);
        for (const auto& [field, value] : expected.values) {
            INFO(field_info(field).name);
            CHECK(std::any_of(
                flows.begin(), flows.end(), [&, f = field, v = value](const auto& flow) {
                    return (field_info(f).kind == FieldKind::text ? text_of(flow, f)
                                                                  : number_of(flow, f)) == v;
                }));
        }
    }
}

/// How a column of an ipfixprobe output compares with a field of ours.
struct Column {
    const char* name;
    F field;
};

/// ipfixprobe counts GREASE among a JA4's extensions, FoxIO's example does not: the count is left
/// out.
std::string without_extension_count(F field, std::string value) {
    return field == F::tls_ja4 && value.size() == 36 ? value.replace(6, 2, "..") : value;
}

/// ipfixprobe reports a record for each message of some protocols, we the first of a flow: a row
/// is met when some flow between its ends has all its values.
std::size_t unmet(const std::string& folder, const char* plugin, const char* capture,
                  const std::vector<Column>& columns, std::size_t& rows_seen) {
    ApplicationInspector inspector(with_ja3());
    const auto flows =
        inspect_capture(folder + "/ipfixprobe/inputs/" + std::string(capture), inspector);
    std::size_t missing = 0;
    for (const Row& row : table(folder + "/ipfixprobe/outputs/" + plugin, "ipaddr ")) {
        const auto ends = between(flows, row.at("SRC_IP"), row.at("SRC_PORT"), row.at("DST_IP"),
                                  row.at("DST_PORT"));
        if (std::all_of(columns.begin(), columns.end(), [&row](const Column& column) {
                const std::string& value = row.at(column.name);
                return value.empty() || value == "0";
            })) {
            continue; // nothing to compare
        }
        ++rows_seen;
        const bool met = std::any_of(ends.begin(), ends.end(), [&](const InspectedFlow* flow) {
            return std::all_of(columns.begin(), columns.end(), [&](const Column& column) {
                const std::string& value = row.at(column.name);
                const bool number = field_info(column.field).kind == FieldKind::number;
                const std::string ours =
                    number ? number_of(*flow, column.field) : text_of(*flow, column.field);
                // Of a flow without a server's hello ipfixprobe reports the client's version.
                const bool no_server = column.field == F::tls_server_version && ours.empty();
                return no_server || value.empty() ||
                       without_extension_count(column.field, ours) ==
                           without_extension_count(column.field, value) ||
                       (number && ours.empty() && value == "0");
            });
        });
        if (!met) {
            ++missing;
            std::string line;
            for (const Column& column : columns) {
                line += " " + row.at(column.name);
                for (const InspectedFlow* flow : ends) {
                    line += "|" + text_of(*flow, column.field) + number_of(*flow, column.field);
                }
            }
            UNSCOPED_INFO(row.at("SRC_PORT") << " " << row.at("DST_PORT") << line);
        }
    }
    return missing;
}

TEST_CASE("ipfixprobe's plugins find the same", "[application][shared]") {
    const std::string folder = shared_captures();
    if (folder.empty()) {
        WARN("skipped: no captures of other projects");
        return;
    }
    std::size_t rows = 0;
    CHECK(unmet(folder, "dns", "dns.pcap",
                {{"DNS_NAME", F::dns_name},
                 {"DNS_QTYPE", F::dns_type},
                 {"DNS_CLASS", F::dns_class},
                 {"DNS_ID", F::dns_id}},
                rows) == 0);
    CHECK(unmet(folder, "http", "http.pcap",
                {{"HTTP_REQUEST_HOST", F::http_host},
                 {"HTTP_REQUEST_METHOD", F::http_method},
                 {"HTTP_REQUEST_URL", F::http_target},
                 {"HTTP_REQUEST_AGENT", F::http_user_agent},
                 {"HTTP_REQUEST_REFERER", F::http_referer},
                 {"HTTP_RESPONSE_STATUS_CODE", F::http_status},
                 {"HTTP_RESPONSE_CONTENT_TYPE", F::http_content_type}},
                rows) == 0);
    CHECK(unmet(folder, "tls", "tls.pcap",
                {{"TLS_SNI", F::tls_server_name},
                 {"TLS_JA3", F::tls_ja3},
                 {"TLS_JA4", F::tls_ja4},
                 {"TLS_VERSION", F::tls_server_version}},
                rows) == 0);
    CHECK(unmet(folder, "quic", "quic_initial-sample.pcap",
                {{"QUIC_SNI", F::quic_server_name},
                 {"QUIC_USER_AGENT", F::quic_user_agent},
                 {"QUIC_VERSION", F::quic_version}},
                rows) == 0);
    CHECK(rows > 0);
    WARN(rows << " rows compared");
}

/// nDPI 4's JA4 has 'd' also without a server name, and the first two characters of the protocol
/// instead of the first and the last (FoxIO's technical details have it our way); hello lists that
/// are empty hash to SHA-256 of nothing instead of zeros.
std::string as_ndpi_writes(std::string ja4) {
    if (ja4.size() == 36) {
        ja4[3] = 'd';
        ja4[8] = ja4[9] = '.';
        const std::size_t last = ja4.rfind('_');
        ja4 = ja4.substr(last + 1) == "000000000000" ? ja4.substr(0, last) + "_e3b0c44298fc" : ja4;
    }
    return ja4;
}

TEST_CASE("nDPI finds the same server names and fingerprints", "[application][shared]") {
    const std::string folder = shared_captures();
    if (folder.empty()) {
        WARN("skipped: no captures of other projects");
        return;
    }
    std::map<std::string, std::vector<Row>> captures;
    for (const Row& row : table(folder + "/copyleft/ndpi/expected_flows.csv", "capture,")) {
        captures[row.at("capture")].push_back(row);
    }
    const auto other = [](const Row& row) {
        const std::string& label = row.at("ndpi_label");
        // Inner flows of a tunnel; Google's QUIC before the standard; names that are addresses, of
        // all questions of a flow, or cut to ASCII.
        return label.find("CAPWAP") != std::string::npos || row.at("capture") == "quic_q39.pcap" ||
               label.find("SSDP") != std::string::npos || label.find("MDNS") != std::string::npos ||
               label.find("DHCP") != std::string::npos || row.at("sni").starts_with("?");
    };
    std::size_t names = 0;
    std::size_t fingerprints = 0;
    ApplicationInspector inspector(with_ja3());
    for (const auto& [capture, rows] : captures) {
        INFO(capture);
        const auto flows = inspect_capture(folder + "/copyleft/ndpi/pcap/" + capture, inspector);
        for (const Row& row : rows) {
            if (other(row)) {
                continue;
            }
            INFO(row.at("a_ip") << " " << row.at("a_port") << " " << row.at("sni") << " "
                                << row.at("ja4"));
            const auto ends =
                between(flows, row.at("a_ip"), row.at("a_port"), row.at("b_ip"), row.at("b_port"));
            if (!row.at("sni").empty()) {
                ++names;
                CHECK(std::any_of(ends.begin(), ends.end(), [&row](const InspectedFlow* flow) {
                    constexpr std::array kNames = {F::tls_server_name, F::http_host, F::dns_name};
                    return std::any_of(kNames.begin(), kNames.end(), [&](F field) {
                        const std::string ours = text_of(*flow, field);
                        return equals_ignoring_case(ours, row.at("sni")) ||
                               ours.substr(0, ours.find(':')) == row.at("sni");
                    });
                }));
            }
            if (!row.at("ja4").empty()) {
                ++fingerprints;
                CHECK(std::any_of(ends.begin(), ends.end(), [&row](const InspectedFlow* flow) {
                    return as_ndpi_writes(text_of(*flow, F::tls_ja4)) ==
                           as_ndpi_writes(row.at("ja4"));
                }));
            }
        }
    }
    CHECK(names > 0);
    CHECK(fingerprints > 0);
    WARN(names << " names, " << fingerprints << " fingerprints compared");
}

} // namespace
} // namespace probe::test

// SPDX-License-Identifier: BSD-3-Clause
// The shipped rules against captures of other projects: the flows whose protocol the rules name,
// each with what another program, or the capture's own name, says it is. Prints the confusion
// table of tests/README.md.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "tests/probe/application/capture_flows.hpp"
#include "tests/support/catch.hpp"

namespace probe::test {
namespace {

using Names = std::set<std::string>;

/// What others call an application, and what our rules call it. What is not here, no rule names.
const std::map<std::string, Names>& ours() {
    static const std::map<std::string, Names> names = {
        // nDPI's
        {"IEC60870", {"iec-104"}},
        {"TLS", {"tls"}},
        {"HTTP", {"http", "websocket"}},
        {"HTTP_Proxy", {"http"}},
        {"DNS", {"dns"}},
        {"AMQP", {"amqp"}},
        {"BFD", {"bfd"}},
        {"BitTorrent", {"bittorrent"}},
        {"DTLS", {"dtls", "dtls-srtp"}},
        {"LLMNR", {"llmnr"}},
        {"DHCP", {"dhcp"}},
        {"Diameter", {"diameter"}},
        {"DoH_DoT", {"doh"}},
        {"FTP_CONTROL", {"ftp"}},
        {"HSRP", {"hsrp"}},
        {"IEEE-C37118", {"synchrophasor"}},
        {"IMAPS", {"imap"}}, // its flow begins in clear
        {"Jabber", {"xmpp"}},
        {"MDNS", {"mdns"}},
        {"NAT-PMP", {"nat-pmp"}},
        {"NetFlow", {"netflow"}},
        {"OpenWire", {"openwire"}},
        {"PostgreSQL", {"postgresql"}},
        {"POP3", {"pop3"}},
        {"QUIC", {"quic", "gquic"}},
        {"RDP", {"rdp"}},
        {"RTPS", {"rtps"}},
        {"S7CommPlus", {"iso-tsap"}}, // rides on it; its own format is not published
        {"SOCKS", {"socks4", "socks5"}},
        {"SRTP", {"rtp"}},
        {"STUN", {"stun"}},
        {"SSDP", {"ssdp"}},
        {"WSD", {"ws-discovery"}},
        {"XDMCP", {"xdmcp"}},
        {"ApplePush", {"apple-push", "tls"}}, // its flow is TLS without a server's name
        // Arkime's
        {"http", {"http", "websocket", "ipp"}},
        {"http2", {"http2"}},
        {"tls", {"tls"}},
        {"dtls", {"dtls"}},
        {"dns", {"dns"}},
        {"smb", {"smb"}},
        {"smtp", {"smtp"}},
        {"ssh", {"ssh"}},
        {"socks", {"socks4", "socks5"}},
        {"mysql", {"mysql"}},
        {"postgresql", {"postgresql"}},
        {"oracle", {"oracle-net"}},
        {"ldap", {"ldap"}},
        {"krb5", {"kerberos"}},
        {"bgp", {"bgp"}},
        {"irc", {"irc"}},
        {"imap", {"imap"}},
        {"pop3", {"pop3"}},
        {"ftp", {"ftp"}},
        {"sip", {"sip"}},
        {"rdp", {"rdp"}},
        {"mqtt", {"mqtt"}},
        {"stun", {"stun"}},
        {"quic", {"quic", "gquic", "microsoft-teams"}}, // one names its server
        {"tds", {"tds"}},
        {"thrift", {"thrift"}},
        {"kafka", {"kafka"}},
        {"bitcoin", {"bitcoin"}},
        {"bacnet", {"bacnet"}},
        {"modbus", {"modbus"}},
        {"dnp3", {"dnp3"}},
        {"enip", {"ethernet-ip"}},
        {"s7comm", {"iso-tsap"}},
        {"s7comm-plus", {"iso-tsap"}},
        {"synchrophasor", {"synchrophasor"}},
        {"snmp", {"snmp"}},
        {"syslog", {"syslog"}},
        {"ntp", {"ntp"}},
        {"nbns", {"netbios-ns"}},
        {"mdns", {"mdns"}},
        {"llmnr", {"llmnr"}},
        {"dhcp", {"dhcp"}},
        {"dhcpv6", {"dhcpv6"}},
        {"radius", {"radius"}},
        {"diameter", {"diameter"}},
        {"tftp", {"tftp"}},
        {"sflow", {"sflow"}},
        {"netflow", {"netflow"}},
        {"ipfix", {"ipfix"}},
        {"ptp", {"ptp"}},
        {"isakmp", {"ike"}},
        {"dcerpc", {"dcerpc"}},
        {"adb", {"adb"}},
        {"pana", {"pana"}},
    };
    return names;
}

/// Services, beside the protocol in which a server is named: "TLS.Facebook". By itself such a name
/// is nDPI's for a protocol of the service's own ("WhatsApp"), which no rule of ours knows.
const std::map<std::string, Names>& our_services() {
    static const std::map<std::string, Names> names = {{"Facebook", {"facebook"}},
                                                       {"FacebookMessenger", {"facebook"}},
                                                       {"YouTube", {"youtube"}},
                                                       {"WhatsApp", {"whatsapp"}},
                                                       {"WhatsAppFiles", {"whatsapp"}}};
    return names;
}

std::vector<std::string> split(const std::string& text, char mark) {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, mark);) {
        parts.push_back(part);
    }
    return parts;
}

/// What the rules may call a flow that others call all of these; empty: no rule names it.
Names any_of_ours(const std::vector<std::string>& theirs) {
    Names names;
    for (const std::string& one : theirs) {
        if (const auto found = ours().find(one); found != ours().end()) {
            names.insert(found->second.begin(), found->second.end());
        }
        const auto service = our_services().find(one);
        if (service != our_services().end() && theirs.size() > 1) {
            names.insert(service->second.begin(), service->second.end());
        }
    }
    return names;
}

struct Truth {
    std::string a, b; ///< "address port"
    std::vector<std::string> theirs;
};

/// Flows by capture, out of a table with a column for each end and one for the names.
std::map<std::string, std::vector<Truth>> truths_of(const std::string& path,
                                                    const std::array<std::size_t, 6>& columns,
                                                    char mark) {
    std::map<std::string, std::vector<Truth>> truths;
    std::ifstream file(path);
    std::string line;
    std::getline(file, line); // the names of the columns
    while (std::getline(file, line)) {
        const std::vector<std::string> cells = split(line, ',');
        const auto cell = [&](std::size_t i) { return cells.at(columns[i]); };
        std::string names = cell(5);
        names = names.substr(names.find('/') == std::string::npos ? 0 : names.find('/') + 1);
        truths[cell(0)].push_back(
            {cell(1) + " " + cell(2), cell(3) + " " + cell(4), split(names, mark)});
    }
    return truths;
}

struct Score {
    std::size_t flows = 0;
    std::size_t by_content = 0;
    std::size_t by_port = 0;
    std::map<std::string, std::size_t> wrong;
    std::size_t none = 0;
};

class Evaluation {
  public:
    Evaluation() : rules_(load()), classifier_(rules_), inspector_(InspectorOptions{}) {}

    [[nodiscard]] std::vector<InspectedFlow> flows_of(const std::string& path) {
        return inspect_capture(path, inspector_, &classifier_);
    }

    /// `may` is empty when no rule names the flow: then content must not claim to know it.
    void judge(const InspectedFlow& flow, const std::string& truth, const Names& may) {
        const ApplicationLabel label = label_of(flow, *rules_);
        const ApplicationEntry* entry = rules_->find(label.id);
        const std::string name = entry != nullptr ? entry->name : "";
        const bool guess = label.source == LabelSource::port;
        if (may.empty()) {
            ++unnamed_;
            wrong_content_ += name.empty() || guess ? 0 : 1;
            if (!name.empty() && !guess) {
                ++scores_[truth].flows;
                ++scores_[truth].wrong[name];
            }
            return;
        }
        Score& score = scores_[truth];
        ++score.flows;
        const std::vector<std::string> said = split(name, '/');
        const bool right = std::any_of(said.begin(), said.end(),
                                       [&may](const auto& one) { return may.contains(one); });
        if (name.empty()) {
            ++score.none;
        } else if (!right) {
            ++score.wrong[name + (guess ? " (port)" : "")];
            wrong_content_ += guess ? 0 : 1;
            wrong_ports_ += guess ? 1 : 0;
        } else {
            ++(guess ? score.by_port : score.by_content);
        }
    }

    void finish() const {
        std::size_t flows = 0;
        std::size_t content = 0;
        std::size_t ports = 0;
        std::printf(
            "| Truth | Flows | By content | By port | None | Wrong |\n"
            "| --- | ---: | ---: | ---: | ---: | --- |\n");
        for (const auto& [truth, score] : scores_) {
            flows += score.flows;
            content += score.by_content;
            ports += score.by_port;
            std::string wrong;
            for (const auto& [name, count] : score.wrong) {
                wrong += (wrong.empty() ? "" : ", ") + name + " " + std::to_string(count);
            }
            std::printf("| %s | %zu | %zu | %zu | %zu | %s |\n", truth.c_str(), score.flows,
                        score.by_content, score.by_port, score.none, wrong.c_str());
        }
        const auto share = [](std::size_t part, std::size_t all) {
            return static_cast<double>(part) / static_cast<double>(all);
        };
        const double precision = share(content, content + wrong_content_);
        const double with_ports =
            share(content + ports, content + ports + wrong_content_ + wrong_ports_);
        const double recall = share(content, flows);
        const double recall_with_ports = share(content + ports, flows);
        std::printf(
            "%zu flows that rules name, %zu that none names: precision %.4f, recall %.4f; "
            "with ports %.4f, %.4f\n",
            flows, unnamed_, precision, recall, with_ports, recall_with_ports);
        CHECK(precision >= 0.99);
        CHECK(with_ports >= 0.99);
        CHECK(recall >= 0.90);
    }

  private:
    static std::shared_ptr<const ApplicationRules> load() {
        ApplicationOptions options;
        options.rule_files = {PARSHALL_SOURCE_ROOT "/templates/applications.yaml"};
        return ApplicationRules::load(options);
    }

    std::shared_ptr<const ApplicationRules> rules_;
    ApplicationClassifier classifier_;
    ApplicationInspector inspector_;
    std::map<std::string, Score> scores_;
    std::size_t unnamed_ = 0;
    std::size_t wrong_content_ = 0;
    std::size_t wrong_ports_ = 0;
};

bool has_payload(const InspectedFlow& flow) {
    return flow.found->directions[0].packets + flow.found->directions[1].packets > 0;
}

/// Flows of a table; those without payload, and those its program does not know, say nothing.
void judge_table(Evaluation& evaluation, const std::string& folder,
                 const std::map<std::string, std::vector<Truth>>& truths) {
    const Names no_name = {"tcp", "udp", "Unknown"};
    for (const auto& [capture, rows] : truths) {
        const auto flows = evaluation.flows_of(folder + capture);
        for (const Truth& row : rows) {
            std::vector<std::string> theirs = row.theirs;
            std::erase_if(theirs, [&](const auto& name) { return no_name.contains(name); });
            const bool inner = std::any_of(theirs.begin(), theirs.end(), [](const auto& name) {
                return name.starts_with("CAPWAP") || name == "fbzero"; // not QUIC, though so called
            });
            const auto flow = std::find_if(flows.begin(), flows.end(), [&row](const auto& one) {
                const std::string a = one.source + " " + std::to_string(one.source_port);
                const std::string b = one.destination + " " + std::to_string(one.destination_port);
                return (a == row.a && b == row.b) || (a == row.b && b == row.a);
            });
            if (theirs.empty() || inner || flow == flows.end() || !has_payload(*flow)) {
                continue;
            }
            evaluation.judge(*flow, theirs.front(), any_of_ours(theirs));
        }
    }
}

/// Captures of one protocol: the flows on a port are what the capture's name says.
struct NamedCapture {
    const char* path;
    std::uint16_t port;
    const char* application;
};
constexpr std::array kNamedCaptures = {
    NamedCapture{"flowtest/pcap/dns_a.pcap", 53, "dns"},
    NamedCapture{"flowtest/pcap/dns_mx.pcap", 53, "dns"},
    NamedCapture{"flowtest/pcap/dns_tcp.pcap", 53, "dns"},
    NamedCapture{"flowtest/pcap/http_400.pcap", 8080, "http"},
    NamedCapture{"flowtest/pcap/http_get.pcap", 80, "http"},
    NamedCapture{"flowtest/pcap/http_post.pcap", 80, "http"},
    NamedCapture{"flowtest/pcap/ipv6-smtp.pcap", 25, "smtp"},
    NamedCapture{"flowtest/pcap/ovpn.pcap", 10103, "openvpn"},
    NamedCapture{"flowtest/pcap/tls10.pcap", 7001, "tls"},
    NamedCapture{"flowtest/pcap/tls12.pcap", 7001, "tls"},
    NamedCapture{"flowtest/pcap/tls12_alpn.pcap", 443, "tls"},
    NamedCapture{"flowtest/pcap/tls13.pcap", 4433, "tls"},
    NamedCapture{"flowtest/pcap/tls_malformed_cert.pcap", 8443, "tls"},
    NamedCapture{"flowtest/pcap/vxlan.pcap", 4789, "vxlan"},
    NamedCapture{"flowtest/pcap/wg_udp_stream.pcap", 41993, "wireguard"},
    NamedCapture{"ipfixprobe/inputs/dns.pcap", 53, "dns"},
    NamedCapture{"ipfixprobe/inputs/dnssd.pcap", 5353, "mdns"},
    NamedCapture{"ipfixprobe/inputs/http.pcap", 80, "http"},
    NamedCapture{"ipfixprobe/inputs/mqtt.pcap", 1883, "mqtt"},
    NamedCapture{"ipfixprobe/inputs/netbios.pcap", 137, "netbios-ns"},
    NamedCapture{"ipfixprobe/inputs/ntp.pcap", 123, "ntp"},
    NamedCapture{"ipfixprobe/inputs/ovpn.pcap", 10103, "openvpn"},
    NamedCapture{"ipfixprobe/inputs/rtsp.pcap", 554, "rtsp"},
    NamedCapture{"ipfixprobe/inputs/sip.pcap", 5060, "sip"},
    NamedCapture{"ipfixprobe/inputs/smtp.pcap", 25, "smtp"},
    NamedCapture{"ipfixprobe/inputs/ssdp.pcap", 1900, "ssdp"},
    NamedCapture{"ipfixprobe/inputs/tls.pcap", 443, "tls"},
    NamedCapture{"ipfixprobe/inputs/wg.pcap", 44099, "wireguard"},
    NamedCapture{"ipfixprobe/inputs/quic_initial-sample.pcap", 443, "quic"},
    NamedCapture{"mercury/pcaps/bittorrent.pcap", 6881, "bittorrent"},
    NamedCapture{"mercury/pcaps/dnp3.pcap", 20000, "dnp3"},
    NamedCapture{"mercury/pcaps/dtls_fragmented_client_hello.pcap", 4400, "dtls"},
    NamedCapture{"mercury/pcaps/ftp2.pcap", 21, "ftp"},
    NamedCapture{"mercury/pcaps/ftp_exposed_creds.pcap", 21, "ftp"},
    NamedCapture{"mercury/pcaps/geneve.pcap", 6081, "geneve"},
    NamedCapture{"mercury/pcaps/http_auth.pcap", 80, "http"},
    NamedCapture{"mercury/pcaps/http_rawip.pcap", 80, "http"},
    NamedCapture{"mercury/pcaps/iec.pcap", 2404, "iec-104"},
    NamedCapture{"mercury/pcaps/imap2.pcap", 143, "imap"},
    NamedCapture{"mercury/pcaps/ldap_exposed_creds.pcap", 389, "ldap"},
    NamedCapture{"mercury/pcaps/mysql.pcap", 3306, "mysql"},
    NamedCapture{"mercury/pcaps/openvpn_tcp_multi.pcap", 1194, "openvpn"},
    NamedCapture{"mercury/pcaps/quic_v2.pcap", 4434, "quic"},
    NamedCapture{"mercury/pcaps/redis.pcap", 6379, "redis"},
    NamedCapture{"mercury/pcaps/smtp.pcap", 25, "smtp"},
    NamedCapture{"mercury/pcaps/snmp_exposed_creds.pcap", 161, "snmp"},
    NamedCapture{"mercury/pcaps/ssh_direction_asym.pcap", 22, "ssh"},
    NamedCapture{"mercury/pcaps/ssh_frag.pcap", 22, "ssh"},
    NamedCapture{"mercury/pcaps/stun.pcap", 3478, "stun"},
    NamedCapture{"mercury/pcaps/stun_classic.pcap", 3478, "stun"},
    NamedCapture{"mercury/pcaps/tls_sgt.pcap", 443, "tls"},
    NamedCapture{"retina/traces/quic_kyber.pcapng", 443, "quic"},
    NamedCapture{"retina/traces/quic_retry.pcapng", 4433, "quic"},
    NamedCapture{"retina/traces/quic_xargs.pcap", 8400, "quic"},
};

TEST_CASE("Labels are right on other projects' captures", "[application][labels][shared]") {
    const std::string folder = shared_captures();
    if (folder.empty()) {
        WARN("skipped: no captures of other projects");
        return;
    }
    Evaluation evaluation;
    if (pattern_support() != PatternsVerdict::matched) {
        WARN("skipped: no payload patterns here");
        return;
    }
    judge_table(evaluation, folder + "/copyleft/ndpi/pcap/",
                truths_of(folder + "/copyleft/ndpi/expected_flows.csv", {0, 2, 3, 4, 5, 11}, '.'));
    judge_table(evaluation, folder + "/arkime/",
                truths_of(folder + "/arkime/expected_sessions.csv", {0, 2, 3, 4, 5, 13}, '|'));
    for (const NamedCapture& named : kNamedCaptures) {
        for (const InspectedFlow& flow : evaluation.flows_of(folder + "/" + named.path)) {
            const bool on_port =
                flow.source_port == named.port || flow.destination_port == named.port;
            const std::string application = named.application;
            const bool transport = application != "tls" || flow.protocol == 6; // QUIC: also 443
            if (on_port && transport && has_payload(flow)) {
                evaluation.judge(flow, application, {application});
            }
        }
    }
    evaluation.finish();
}

} // namespace
} // namespace probe::test

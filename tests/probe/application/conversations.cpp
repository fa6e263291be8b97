// SPDX-License-Identifier: BSD-3-Clause
#include "tests/probe/application/conversations.hpp"

#include "probe/packet/protocol_numbers.hpp"

namespace probe::test {
namespace {

using F = ApplicationField;
using P = ApplicationProtocol;

Octets name_lists() {
    Octets lists;
    for (const char* list : {"curve25519-sha256", "ssh-ed25519", "aes128-ctr", "aes256-ctr",
                             "hmac-sha2-256", "hmac-sha2-512", "none", "zlib", "", ""}) {
        lists = lists + counted(4, text(list));
    }
    return counted(4, hex("0414") + Octets(16, 'c') + lists + Octets(9, 0));
}

Octets dns_name() {
    return counted(1, text("www")) + counted(1, text("example")) + hex("00");
}

} // namespace

std::vector<Conversation> conversations() {
    const std::uint8_t tcp = kProtocolTcp;
    const std::uint8_t udp = kProtocolUdp;
    const Octets question = dns_name() + hex("00010001");
    const Octets query = hex("000701000001000000000000") + question;
    const Octets answer = hex("000781800001000300000000") + question +
                          hex("c00c00010001 0000003c 0004 c0000201") +
                          hex("c00c001c0001 0000003c 0010 20010db8000000000000000000000001") +
                          hex("c00c000f0001 0000003c 0004 000ac00c");
    return {
        {P::dns,
         udp,
         53,
         {{0, query}, {1, answer}},
         {{F::dns_name, "www.example"},
          {F::dns_answer_data, "192.0.2.1,2001:db8::1,10 www.example"}},
         {{F::dns_type, 1}, {F::dns_rcode, 0}, {F::dns_answers, 3}, {F::dns_answer_ttl, 60}}},
        {P::dns,
         tcp,
         53,
         {{0, counted(2, query)}, {1, counted(2, answer)}},
         {{F::dns_name, "www.example"}},
         {{F::dns_answers, 3}}},
        {P::dns, udp, 9'999, {{0, query}}, {{F::dns_name, "www.example"}}, {}}, // by content
        {P::mdns, udp, 5353, {{0, query}}, {{F::dns_name, "www.example"}}, {}},
        {P::llmnr, udp, 5355, {{0, query}}, {{F::dns_name, "www.example"}}, {}},
        {P::netbios,
         udp,
         137,
         {{0, hex("000701100001000000000000") +
                  counted(1, text("EEEIEDFAEFCACACACACACACACACACAAA")) + hex("0000200001")}},
         {{F::netbios_name, "DHCPE"}},
         {{F::netbios_suffix, 0}}},
        {P::http1,
         tcp,
         8'080,
         {{0, text("GET /a?b HTTP/1.1\r\nHOST: h.example\r\nuser-agent:  u \r\n")},
          {0, text("Referer: r\r\n\r\n")},
          {1, text("HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\nbody")}},
         {{F::http_method, "GET"},
          {F::http_target, "/a?b"},
          {F::http_host, "h.example"},
          {F::http_user_agent, "u"},
          {F::http_referer, "r"},
          {F::http_reason, "Not Found"},
          {F::http_content_type, "text/html"}},
         {{F::http_status, 404}}},
        {P::http2,
         tcp,
         80,
         {{0, text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")}},
         {{F::http_version, "HTTP/2.0"}},
         {}},
        {P::rtsp,
         tcp,
         554,
         {{0, text("DESCRIBE rtsp://h/a RTSP/1.0\r\nUser-Agent: u\r\n\r\n")}},
         {{F::rtsp_method, "DESCRIBE"}, {F::rtsp_url, "rtsp://h/a"}, {F::rtsp_user_agent, "u"}},
         {}},
        {P::sip,
         udp,
         5060,
         {{0, text("INVITE sip:b@h SIP/2.0\r\nFrom: \"A\" <sip:a@h>;tag=1\r\nt: sip:b@h;x\r\n"
                   "i: call\r\n\r\n")},
          {1, text("SIP/2.0 180 Ringing\r\n\r\n")}},
         {{F::sip_calling_party, "sip:a@h"},
          {F::sip_called_party, "sip:b@h"},
          {F::sip_call_id, "call"}},
         {{F::sip_status, 180}}},
        {P::ssdp,
         udp,
         1900,
         {{0, text("M-SEARCH * HTTP/1.1\r\nST: ssdp:all\r\n\r\n")}},
         {{F::ssdp_search_target, "ssdp:all"}},
         {}},
        {P::ssh,
         tcp,
         22,
         {{1, text("SSH-2.0-server\r\n")}, {0, text("SSH-2.0-client\r\n") + name_lists()}},
         {{F::ssh_client_version, "SSH-2.0-client"},
          {F::ssh_server_version, "SSH-2.0-server"},
          // md5 of "curve25519-sha256;aes128-ctr;hmac-sha2-256;none"
          {F::ssh_hassh, "e97d07603350d1111ec2b64bf25413c9"}},
         {}},
        {P::smtp,
         tcp,
         25,
         {{1, text("220 h ESMTP\r\n")},
          {0, text("EHLO c\r\n")},
          {0, text("MAIL FROM:<a@b> SIZE=1\r\nRCPT TO:<c@d>\r\n")}},
         {{F::smtp_hello, "c"},
          {F::smtp_from, "a@b"},
          {F::smtp_to, "c@d"},
          {F::smtp_response, "220 h ESMTP"}},
         {}},
        {P::smtp,
         tcp,
         25,
         {{1, text("220 h ESMTP\r\n")},
          {0, text("STARTTLS\r\n")},
          {0, record(client_hello(server_name_extension("mx.example")))}},
         {{F::tls_server_name, "mx.example"}},
         {}},
        {P::ftp,
         tcp,
         21,
         {{1, text("220 FTP\r\n")}, {0, text("USER bob\r\n")}},
         {{F::ftp_user, "bob"}, {F::ftp_response, "220 FTP"}},
         {}},
        {P::imap,
         tcp,
         143,
         {{1, text("* OK x\r\n")}, {0, text("a LOGIN u p\r\n")}},
         {{F::imap_command, "LOGIN"}},
         {}},
        {P::pop3,
         tcp,
         110,
         {{1, text("+OK hi\r\n")}, {0, text("USER u\r\n")}},
         {{F::pop3_message, "hi"}},
         {}},
        {P::ntp,
         udp,
         123,
         {{0, hex("230200") + Octets(45, 0)}},
         {},
         {{F::ntp_version, 4}, {F::ntp_mode, 3}, {F::ntp_stratum, 2}}},
        {P::snmp,
         udp,
         161,
         {{0, hex("302602010104067075626c6963a019020101020100020100300e300c06082b06010201010100"
                  "0500")}},
         {},
         {{F::snmp_version, 1}, {F::snmp_pdu_type, 0}}},
        {P::dhcp,
         udp,
         67,
         {{0, hex("01010600") + Octets(232, 0) + hex("63825363 350101") + hex("0c") +
                  counted(1, text("host")) + hex("3703010306 ff")}},
         {{F::dhcp_host_name, "host"}, {F::dhcp_fingerprint, "1,3,6"}},
         {{F::dhcp_message_type, 1}}},
        {P::radius,
         udp,
         1812,
         {{0, hex("01010019") + Octets(16, 'a') + hex("0105") + text("bob")}},
         {{F::radius_user_name, "bob"}},
         {{F::radius_code, 1}}},
        {P::syslog, udp, 514, {{0, text("<34>1 - h a - - - m")}}, {}, {{F::syslog_priority, 34}}},
        {P::mqtt,
         tcp,
         1883,
         {{0, hex("100e0004") + text("MQTT") + hex("0402003c0002") + text("id")}},
         {{F::mqtt_client_id, "id"}},
         {{F::mqtt_version, 4}}},
        {P::rdp,
         tcp,
         3389,
         {{0, hex("0300 001f 1a e0 00000000 00") + text("Cookie: mstshash=u\r\n")}},
         {{F::rdp_cookie, "u"}},
         {}},
        {P::bittorrent,
         tcp,
         6881,
         {{0, counted(1, text("BitTorrent protocol")) + Octets(8, 0) + Octets(20, 0xAB)}},
         {{F::bittorrent_info_hash, "abababababababababababababababababababab"}},
         {}},
        {P::wireguard,
         udp,
         51'820,
         {{0, hex("01000000 04030201") + Octets(140, 1)},
          {1, hex("02000000 08070605 04030201") + Octets(80, 1)}},
         {},
         {{F::wireguard_initiator, 0x01020304}, {F::wireguard_responder, 0x05060708}}},
        {P::openvpn,
         udp,
         9'999,
         {{0, hex("38") + Octets(8, 's') + Octets(5, 0)}},
         {},
         {{F::openvpn_opcode, 7}}},
        {P::ike,
         udp,
         500,
         {{0, Octets(8, 'i') + Octets(8, 0) + hex("21202208 00000000 0000001c")}},
         {},
         {{F::ike_version, 2}, {F::ike_exchange_type, 34}}},
        {P::stun,
         udp,
         9'999,
         {{0, hex("0001 0008 2112a442") + Octets(12, 't') + hex("8022 0003") + text("abc") +
                  hex("00")}},
         {{F::stun_software, "abc"}},
         {{F::stun_message_type, 1}}},
        {P::rtp,
         udp,
         9'999,
         {{0, hex("8000 0001 00000000 00000063") + Octets(20, 1)},
          {0, hex("8000 0002 000000a0 00000063") + Octets(20, 1)}},
         {},
         {{F::rtp_payload_type, 0}}},
        {P::rtcp, udp, 9'999, {{0, hex("80c90001 00000001")}}, {}, {}},
    };
}

} // namespace probe::test

// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/open_sink.hpp"

#include <string>
#include <utility>

#include "probe/exporting/bound_socket_calls.hpp"
#include "probe/exporting/collector_session.hpp"
#include "probe/exporting/dtls_transport.hpp"
#include "probe/exporting/file_transport.hpp"
#include "probe/exporting/kernel_sctp.hpp"
#include "probe/exporting/netflow_messages.hpp"
#include "probe/exporting/sctp_streams.hpp"
#include "probe/exporting/sctp_transport.hpp"
#include "probe/exporting/tcp_transport.hpp"
#include "probe/exporting/text_sink.hpp"
#include "probe/exporting/tls_socket_calls.hpp"
#include "probe/exporting/udp_transport.hpp"
#include "probe/exporting/userspace_sctp.hpp"

namespace probe {
namespace {

bool by_kernel_sctp(const CollectorOptions& collector) {
    return collector.transport == TransportKind::sctp && collector.sctp.encapsulation == 0 &&
           KernelSctp::available();
}

/// Linux tells of a message that it gave up only if it was never sent: of one that was sent, lost
/// and then overdue there is no SCTP_SEND_FAILED (measured with 6.1). What nobody can count is not
/// given up.
CollectorOptions reliable_where_it_must(CollectorOptions collector, const LogLine& log) {
    if (collector.sctp.lifetime != kNever && by_kernel_sctp(collector)) {
        collector.sctp.lifetime = kNever;
        if (log) {
            log("collector " + collector.url +
                ": the kernel's SCTP does not tell which messages it gave up, so `lifetime` is not "
                "used and all are delivered; with `encapsulation` it is used");
        }
    }
    return collector;
}

/// The kernel's SCTP where it has it; in UDP, and where it has not, libusrsctp's.
std::unique_ptr<SctpAssociation> make_association(const CollectorOptions& collector,
                                                  SctpTimes times,
                                                  const std::shared_ptr<SocketCalls>& calls,
                                                  std::uint16_t streams) {
    if (by_kernel_sctp(collector)) {
        return std::make_unique<KernelSctp>(collector.host, collector.port, times, calls, streams);
    }
    const UserspaceSctp::Peer peer{.host = collector.host,
                                   .port = collector.port,
                                   .encapsulation = collector.sctp.encapsulation,
                                   .streams = streams};
    return std::make_unique<UserspaceSctp>(peer, times, calls);
}

ConnectionTimes connection_times(const ExportOptions& options, std::uint64_t seed) {
    return {ReconnectDelay(options.reconnect_min, options.reconnect_max, seed),
            options.peer_timeout};
}

std::unique_ptr<SctpTransport> open_sctp(const CollectorOptions& collector,
                                         const ExportOptions& options, LogLine log,
                                         std::uint64_t seed, std::uint16_t streams) {
    const auto calls = std::make_shared<BoundSocketCalls>(collector.socket);
    return std::make_unique<SctpTransport>(
        collector.url, make_association(collector, SctpTimes(options.peer_timeout), calls, streams),
        collector.sctp.lifetime, connection_times(options, seed), std::move(log));
}

std::unique_ptr<Transport> open_transport(const CollectorOptions& collector,
                                          const ExportOptions& options, LogLine log,
                                          std::uint64_t seed) {
    const std::string& name = collector.url;
    const auto calls = std::make_shared<BoundSocketCalls>(collector.socket);
    const ConnectionTimes times = connection_times(options, seed);
    switch (collector.transport) {
        case TransportKind::udp:
            return std::make_unique<UdpTransport>(name, collector.host, collector.port,
                                                  options.udp_payload, std::move(log), calls);
        case TransportKind::tcp:
            return std::make_unique<TcpTransport>(name, collector.host, collector.port, times,
                                                  std::move(log), calls);
        case TransportKind::tls: {
            auto tls =
                std::make_shared<TlsSocketCalls>(name, collector.host, collector.tls, log, calls);
            return std::make_unique<TcpTransport>(name, collector.host, collector.port, times,
                                                  std::move(log), std::move(tls));
        }
        case TransportKind::dtls:
            return std::make_unique<DtlsTransport>(collector, options.udp_payload, times,
                                                   std::move(log), calls);
        case TransportKind::sctp:
            return open_sctp(collector, options, std::move(log), seed, 1);
        case TransportKind::file:
            return std::make_unique<FileTransport>(name, collector.path, collector.file,
                                                   std::move(log));
        case TransportKind::json:
        case TransportKind::table:
            break;
    }
    return nullptr;
}

} // namespace

void check_format(const CollectorOptions& collector, const TemplateView& templates,
                  const LogLine& log) {
    const auto netflow = make_netflow_messages(collector.format, 0, templates);
    if (netflow == nullptr || !log) return;
    for (std::size_t i = 0; i < templates.all().size(); ++i) {
        const ipfix::TemplateRecord& record = templates.all()[i];
        if (!templates.present_data(i) || netflow->carries(record)) continue;
        log("collector " + collector.url +
            ": NetFlow v5 carries IPv4 alone; records of template '" + record.name() +
            "' are not sent and counted (not_representable)");
    }
}

std::unique_ptr<RecordSink> open_sink(const CollectorOptions& asked, const ExportOptions& options,
                                      std::uint32_t domain_id, const TemplateView& templates,
                                      OptionsRecords* options_records, const LogLine& log,
                                      std::uint64_t seed, const CommonProperties* common) {
    const CollectorOptions collector = reliable_where_it_must(asked, log);
    check_format(collector, templates, log);
    if (collector.sctp.streams == SctpStreamUse::per_template) {
        const std::uint16_t streams =
            sctp_streams_wanted(collector.sctp.streams, templates, options_records);
        return std::make_unique<SctpStreams>(collector, options, domain_id, templates,
                                             open_sctp(collector, options, log, seed, streams),
                                             options_records, log);
    }
    auto transport = open_transport(collector, options, log, seed);
    if (transport == nullptr) {
        return std::make_unique<TextSink>(collector, options, templates, terminal_columns());
    }
    if (collector.format != ExportFormat::ipfix) options_records = nullptr;
    // An id means nothing to NetFlow, nor to the process that sends what a spool has.
    if (collector.format != ExportFormat::ipfix || !collector.spool.directory.empty()) {
        common = nullptr;
    }
    auto session = std::make_unique<CollectorSession>(
        collector, options, domain_id, templates, std::move(transport), options_records, 0, common);
    if (!collector.spool.directory.empty()) session->open_spool(domain_id, templates.all(), log);
    return session;
}

} // namespace probe

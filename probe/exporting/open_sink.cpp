// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/open_sink.hpp"

#include <string>
#include <utility>

#include "probe/exporting/collector_session.hpp"
#include "probe/exporting/file_transport.hpp"
#include "probe/exporting/tcp_transport.hpp"
#include "probe/exporting/text_sink.hpp"
#include "probe/exporting/tls_socket_calls.hpp"
#include "probe/exporting/udp_transport.hpp"

namespace probe {
namespace {

std::unique_ptr<Transport> open_transport(const CollectorOptions& collector,
                                          const ExportOptions& options, LogLine log,
                                          std::uint64_t seed) {
    const std::string& name = collector.url;
    switch (collector.transport) {
        case TransportKind::udp:
            return std::make_unique<UdpTransport>(name, collector.host, collector.port,
                                                  options.udp_payload, std::move(log));
        case TransportKind::tcp:
            return std::make_unique<TcpTransport>(
                name, collector.host, collector.port,
                ReconnectDelay(options.reconnect_min, options.reconnect_max, seed), std::move(log));
        case TransportKind::tls: {
            auto calls = std::make_unique<TlsSocketCalls>(name, collector.host, collector.tls, log);
            return std::make_unique<TcpTransport>(
                name, collector.host, collector.port,
                ReconnectDelay(options.reconnect_min, options.reconnect_max, seed), std::move(log),
                std::move(calls));
        }
        case TransportKind::file:
            return std::make_unique<FileTransport>(name, collector.path, std::move(log));
        case TransportKind::json:
        case TransportKind::table:
            break;
    }
    return nullptr;
}

} // namespace

std::unique_ptr<RecordSink> open_sink(const CollectorOptions& collector,
                                      const ExportOptions& options, std::uint32_t domain_id,
                                      std::span<const ipfix::TemplateRecord> templates,
                                      OptionsRecords* options_records, LogLine log,
                                      std::uint64_t seed) {
    auto transport = open_transport(collector, options, std::move(log), seed);
    if (transport == nullptr) {
        return std::make_unique<TextSink>(collector, options, templates, terminal_columns());
    }
    return std::make_unique<CollectorSession>(collector, options, domain_id, templates,
                                              std::move(transport), options_records);
}

} // namespace probe

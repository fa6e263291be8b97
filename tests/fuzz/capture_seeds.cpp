// SPDX-License-Identifier: BSD-3-Clause
// Inputs for the fuzz targets of layer 7 from captures: the first payloads of some flows of each,
// as application_fuzz.cpp reads them. capture_seeds FOLDER OUTPUT; what cannot be read is passed
// over. For the build's folder: captures are not the project's.
#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "probe/metering/application_meter.hpp"
#include "probe/observation/capture_file.hpp"
#include "probe/packet/packet_parser.hpp"
#include "probe/packet/protocol_numbers.hpp"
#include "tests/fuzz/layer7_fuzz.hpp"

namespace probe::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFlowsMax = 8; ///< of one capture
constexpr std::size_t kPayloadsMax = 5;
constexpr std::size_t kPayloadOctetsMax = 1'400;
constexpr std::size_t kPacketsMax = 20'000; ///< of one capture

using End = std::pair<std::string, std::uint16_t>;
using FlowEnds = std::tuple<std::uint8_t, End, End>;

struct Flow {
    End client;
    std::size_t payloads = 0;
    std::string input;
};

std::uint8_t port_number(std::uint16_t port) {
    const auto* const found = std::find(kPorts.begin(), kPorts.end(), port);
    return static_cast<std::uint8_t>(found == kPorts.end() ? 0 : found - kPorts.begin());
}

/// Of a packet with payload; nothing of others.
void add(std::map<FlowEnds, Flow>& flows, const PacketView& view) {
    PacketHeaders headers{};
    if (parse_packet(view, headers) != ParseVerdict::metered) {
        return;
    }
    const Bytes all = transport_payload(view, headers);
    const Bytes payload = all.first(std::min(all.size(), kPayloadOctetsMax));
    if (payload.empty()) {
        return;
    }
    const bool v4 = headers.family == IpFamily::ipv4;
    const std::size_t octets = v4 ? 4 : 16;
    const auto* const addresses =
        reinterpret_cast<const char*>(view.octets) + headers.network_offset + (v4 ? 12 : 8);
    const End from{std::string(addresses, octets), headers.source_port};
    const End to{std::string(addresses + octets, octets), headers.destination_port};
    const FlowEnds ends{headers.protocol, std::min(from, to), std::max(from, to)};
    if (flows.find(ends) == flows.end() && flows.size() >= kFlowsMax) {
        return;
    }
    Flow& flow = flows[ends];
    if (flow.input.empty()) {
        flow.client = from;
        flow.input += static_cast<char>(headers.protocol == kProtocolTcp ? 1 : 0);
        flow.input += static_cast<char>(port_number(headers.destination_port));
    }
    if (flow.payloads++ < kPayloadsMax) {
        flow.input += static_cast<char>(from == flow.client ? 0 : 1);
        flow.input += static_cast<char>(payload.size() >> 8);
        flow.input += static_cast<char>(payload.size());
        flow.input.append(reinterpret_cast<const char*>(payload.data()), payload.size());
    }
}

std::size_t seeds_of(const fs::path& capture, const fs::path& output, std::size_t written) {
    CaptureFile file(capture.string());
    std::map<FlowEnds, Flow> flows;
    PacketBatch batch;
    std::size_t packets = 0;
    while (packets < kPacketsMax && file.poll(batch, UINT64_MAX) > 0) {
        packets += batch.size;
        for (std::uint32_t i = 0; i < batch.size; ++i) {
            add(flows, batch.packets[i]);
        }
    }
    for (const auto& [ends, flow] : flows) {
        std::ofstream(output / std::to_string(written++), std::ios::binary) << flow.input;
    }
    return written;
}

int write_seeds(const fs::path& captures, const fs::path& output) {
    fs::create_directories(output);
    std::vector<fs::path> paths;
    for (const auto& entry : fs::recursive_directory_iterator(captures)) {
        const std::string ending = entry.path().extension().string();
        if (ending == ".pcap" || ending == ".pcapng" || ending == ".cap") {
            paths.push_back(entry.path());
        }
    }
    std::sort(paths.begin(), paths.end()); // the same files each time
    std::size_t written = 0;
    for (const fs::path& path : paths) {
        try {
            written = seeds_of(path, output, written);
        } catch (const std::exception&) {
            continue; // no capture; what reads them is tested elsewhere
        }
    }
    std::printf("%zu inputs of %zu captures\n", written, paths.size());
    return written > 0 ? 0 : 1;
}

} // namespace
} // namespace probe::fuzz

int main(int arguments, char** argument) {
    return arguments == 3 ? probe::fuzz::write_seeds(argument[1], argument[2]) : 2;
}

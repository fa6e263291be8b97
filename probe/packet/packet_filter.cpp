// SPDX-License-Identifier: BSD-3-Clause
#include "probe/packet/packet_filter.hpp"

#include <pcap/pcap.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>

#include "probe/packet/ipv6_extension_headers.hpp"

namespace probe {
namespace {

constexpr int kSnapOctets = 262'144; // libpcap's own maximum: never cuts a packet

/// Words of pcap-filter(7) that need a link layer. libpcap refuses most of them for raw IP by
/// itself, but not all ("ether[0]" would read the IP header), and with words that do not help.
constexpr std::array<std::string_view, 25> kLinkLayerWords = {
    "ether",  "link", "wlan",    "fddi",   "tr",      "ppp",    "slip",    "arp",     "rarp",
    "vlan",   "mpls", "pppoed",  "pppoes", "llc",     "stp",    "gateway", "inbound", "outbound",
    "ifname", "on",   "ifindex", "type",   "subtype", "geneve", "atalk"};

constexpr bool is_word_character(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == ':';
}

void refuse_link_layer_words(std::string_view expression) {
    std::size_t at = 0;
    while (at < expression.size()) {
        const std::size_t start = at;
        while (at < expression.size() && is_word_character(expression[at])) {
            ++at;
        }
        const std::string_view word = expression.substr(start, at - start);
        if (std::find(kLinkLayerWords.begin(), kLinkLayerWords.end(), word) !=
            kLinkLayerWords.end()) {
            throw FilterError("the filter '" + std::string(expression) + "' asks for '" +
                              std::string(word) +
                              "', but a template's filter sees only the IP packet; use "
                              "primitives of IP and above, such as 'ip6 and tcp port 443'");
        }
        at = std::max(at, start + 1);
    }
}

struct PcapCloser {
    void operator()(::pcap_t* handle) const noexcept { ::pcap_close(handle); }
};

} // namespace

struct PacketFilter::Program {
    ::bpf_program code{};

    Program() = default;
    ~Program() { ::pcap_freecode(&code); }
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    [[nodiscard]] std::span<const ::bpf_insn> instructions() const noexcept {
        return {code.bf_insns, code.bf_len};
    }
};

namespace {

/// bpf_validate outside a kernel lets BPF_JA jump backwards, and 'protochain' does.
bool has_loop(std::span<const ::bpf_insn> program) noexcept {
    return std::any_of(program.begin(), program.end(), [&](const ::bpf_insn& instruction) {
        return instruction.code == (BPF_JMP | BPF_JA) && instruction.k >= program.size();
    });
}

/// Runs a program on a packet of which only the family and the protocol are known. Empty when the
/// program asks for anything else.
class FamilyProtocolRun {
  public:
    FamilyProtocolRun(IpFamily family, std::uint8_t protocol) noexcept
        : family_(family), protocol_(protocol) {}

    [[nodiscard]] std::optional<bool> run(std::span<const ::bpf_insn> program) noexcept {
        std::size_t pc = 0;
        while (pc < program.size()) { // ends: jumps go forward only
            const ::bpf_insn& instruction = program[pc++];
            switch (BPF_CLASS(instruction.code)) {
                case BPF_LD:
                    if (!load(instruction)) {
                        return std::nullopt;
                    }
                    break;
                case BPF_ALU:
                    if (instruction.code != (BPF_ALU | BPF_AND | BPF_K)) {
                        return std::nullopt;
                    }
                    accumulator_ &= instruction.k;
                    known_bits_ |= ~instruction.k;
                    break;
                case BPF_JMP: {
                    const std::optional<std::size_t> skipped = jump(instruction);
                    if (!skipped) {
                        return std::nullopt;
                    }
                    pc += *skipped;
                    break;
                }
                case BPF_RET:
                    if (BPF_RVAL(instruction.code) != BPF_K) {
                        return std::nullopt;
                    }
                    return instruction.k != 0;
                default:
                    return std::nullopt;
            }
        }
        return std::nullopt;
    }

  private:
    /// Only the version nibble of octet 0, IPv4's protocol (9), IPv6's next header (6), and the
    /// next header of an IPv6 fragment header that comes first (40) are known.
    bool load(const ::bpf_insn& instruction) noexcept {
        constexpr std::uint32_t kVersion = 0;
        constexpr std::uint32_t kIpv4Protocol = 9;
        constexpr std::uint32_t kIpv6NextHeader = 6;
        constexpr std::uint32_t kIpv6FragmentNextHeader = 40;
        if (instruction.code != (BPF_LD | BPF_B | BPF_ABS)) {
            return false;
        }
        known_bits_ = UINT32_MAX;
        accumulator_ = protocol_;
        if (instruction.k == kVersion) {
            accumulator_ = family_ == IpFamily::ipv4 ? 0x40 : 0x60;
            known_bits_ = ~std::uint32_t{0x0F};
            return true;
        }
        if (family_ == IpFamily::ipv4) {
            return instruction.k == kIpv4Protocol;
        }
        // The upper-layer protocol stands in for both: a program reads octet 40 when octet 6 says
        // fragment, to ask the same question again.
        return instruction.k == kIpv6NextHeader || instruction.k == kIpv6FragmentNextHeader;
    }

    /// How many instructions to skip; empty when an unknown bit could decide.
    [[nodiscard]] std::optional<std::size_t> jump(const ::bpf_insn& instruction) const noexcept {
        if (BPF_OP(instruction.code) == BPF_JA) {
            return instruction.k;
        }
        if (BPF_SRC(instruction.code) != BPF_K || known_bits_ != UINT32_MAX) {
            return std::nullopt;
        }
        bool taken = false;
        switch (BPF_OP(instruction.code)) {
            case BPF_JEQ:
                taken = accumulator_ == instruction.k;
                break;
            case BPF_JGT:
                taken = accumulator_ > instruction.k;
                break;
            case BPF_JGE:
                taken = accumulator_ >= instruction.k;
                break;
            case BPF_JSET:
                taken = (accumulator_ & instruction.k) != 0;
                break;
            default:
                return std::nullopt;
        }
        return taken ? instruction.jt : instruction.jf;
    }

    IpFamily family_;
    std::uint8_t protocol_;
    std::uint32_t accumulator_ = 0;
    std::uint32_t known_bits_ = UINT32_MAX;
};

} // namespace

PacketFilter::PacketFilter(std::string_view expression) {
    if (expression.find_first_not_of(" \t\r\n") == std::string_view::npos) {
        table_[0].set();
        table_[1].set();
        tabulated_ = true;
        return;
    }
    if (expression.size() > kExpressionOctetsMax) {
        throw FilterError("the filter has " + std::to_string(expression.size()) +
                          " octets; the most is " + std::to_string(kExpressionOctetsMax));
    }
    if (expression.find('\0') != std::string_view::npos) {
        throw FilterError("the filter contains a NUL octet: write it as plain text");
    }
    refuse_link_layer_words(expression);
    const std::unique_ptr<::pcap_t, PcapCloser> handle(::pcap_open_dead(DLT_RAW, kSnapOctets));
    if (!handle) {
        throw FilterError("there is no memory to compile the filter");
    }
    constexpr int kOptimise = 1;
    const std::string text(expression);
    auto program = std::make_unique<Program>();
    if (::pcap_compile(handle.get(), &program->code, text.c_str(), kOptimise,
                       PCAP_NETMASK_UNKNOWN) != 0) {
        throw FilterError("the filter '" + text +
                          "' is not valid pcap-filter text: " + ::pcap_geterr(handle.get()));
    }
    if (::bpf_validate(program->code.bf_insns, static_cast<int>(program->code.bf_len)) == 0 ||
        has_loop(program->instructions())) {
        throw FilterError("the filter '" + text +
                          "' needs a program with loops, which is not run on packets; say 'proto' "
                          "instead of 'protochain'");
    }
    program_ = std::move(program);
    tabulated_ = tabulate();
}

PacketFilter::~PacketFilter() = default;
PacketFilter::PacketFilter(PacketFilter&&) noexcept = default;
PacketFilter& PacketFilter::operator=(PacketFilter&&) noexcept = default;

bool PacketFilter::tabulate() {
    for (const IpFamily family : {IpFamily::ipv4, IpFamily::ipv6}) {
        for (std::uint32_t protocol = 0; protocol < 256; ++protocol) {
            FamilyProtocolRun run(family, static_cast<std::uint8_t>(protocol));
            const std::optional<bool> answer = run.run(program_->instructions());
            if (!answer) {
                return false;
            }
            table_[static_cast<std::size_t>(family)][protocol] = *answer;
        }
    }
    // A filter that singles out an extension header ("ip6 proto 44") asks about the first header,
    // not about the upper layer, which is never one.
    constexpr std::uint8_t kReservedProtocol = 255;
    const std::bitset<256>& ipv6 = table_[static_cast<std::size_t>(IpFamily::ipv6)];
    for (std::uint32_t protocol = 0; protocol < 256; ++protocol) {
        if (is_extension_header(static_cast<std::uint8_t>(protocol)) &&
            ipv6[protocol] != ipv6[kReservedProtocol]) {
            return false;
        }
    }
    return true;
}

bool PacketFilter::matches(Bytes ip_packet, std::uint32_t ip_octets) const noexcept {
    if (!program_) {
        return true;
    }
    return ::bpf_filter(program_->code.bf_insns, ip_packet.data(), ip_octets,
                        static_cast<u_int>(ip_packet.size())) != 0;
}

} // namespace probe

// SPDX-License-Identifier: BSD-3-Clause
// What a flow's application is called, how that was found out, and the little state a flow carries
// until it is.
//
// applicationId (95, RFC 6759 section 4): an octet of classification engine and a selector.
//   1 IANA-L3       the IP protocol says it all; selector: its number
//   3 IANA-L4       nothing but a port spoke for it; selector: the port
//   6 USER-Defined  a rule; selector: the rule's id. Of local significance, which is true of rules
//                   that an operator may edit; names travel in options records.
//   20 PANA-L7-PEN  the same, when the operator names a Private Enterprise Number of his own
// This project has no PEN, so it claims neither engine 13 nor 20 for itself.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

namespace probe {

enum class ClassificationEngine : std::uint8_t {
    none = 0,
    iana_l3 = 1,
    iana_l4 = 3,
    user_defined = 6,
    pana_l7_pen = 20,
};

struct ApplicationId {
    std::uint32_t enterprise = 0;    ///< engine pana_l7_pen only
    std::uint32_t selector : 24 = 0; ///< host byte order
    ClassificationEngine engine : 8 = ClassificationEngine::none;

    /// Fills `out`, the element's field of 4 octets or more (8 with a PEN): engine, PEN, selector
    /// at the end with zeros before it, as RFC 6759 section 4.2 allows. All zeros: no application.
    void write(std::span<std::uint8_t> out) const noexcept;

    friend bool operator==(const ApplicationId& a, const ApplicationId& b) noexcept {
        return a.enterprise == b.enterprise && a.selector == b.selector && a.engine == b.engine;
    }
};

/// From the weakest to the strongest.
enum class LabelSource : std::uint8_t {
    none,        ///< nothing is known
    port,        ///< a well-known port, no content: a guess
    ip_protocol, ///< the IP header's protocol
    pattern,     ///< payload matched a rule's patterns
    parser,      ///< the protocol's parser read a message (ApplicationInspector)
    host,        ///< the name of the server, as TLS, QUIC or HTTP say it, or that DNS was asked
};

/// The answer for a flow. Trivially copyable: fits in a record, outlives the rules it came from.
struct ApplicationLabel {
    ApplicationId id;
    LabelSource source = LabelSource::none;
};

/// A row of the table that maps ids to names: what the options records carry.
struct ApplicationEntry {
    ApplicationId id;
    std::string name;     ///< applicationName (96); of a port: its rules' names, by '/'
    std::string category; ///< applicationCategoryName (372)
};

/// Longest name or category, in octets.
inline constexpr std::size_t kApplicationNameOctetsMax = 32;

/// What payload_packets_max and payload_octets_max may be at most.
inline constexpr std::uint8_t kLabelPacketsMax = 15;
inline constexpr std::uint16_t kLabelOctetsMax = 255 * 32;

/// A flow's state between packets, kept by the caller for as long as classify_burst answers
/// more_wanted, and `rule_id` until the flow is exported. All zeros: a new flow.
/// Thread: the flow's owner. A change of rules leaves it valid: what is settled stays.
struct LabelState {
    /// A rule that some patterns spoke for, not yet enough.
    struct Candidate {
        std::uint16_t rule;    ///< its number plus 1; 0: none
        std::uint8_t patterns; ///< a bit for each that matched
        std::uint8_t sides;    ///< directions seen, and which is the client's
    };

    std::uint32_t rule_id : 24; ///< the settled rule's; 0: none yet
    std::uint32_t done : 1;
    std::uint32_t : 7;
    std::uint8_t generation;                  ///< of the rules that the candidates belong to
    std::uint8_t packets;                     ///< scanned; four bits a direction
    std::array<std::uint8_t, 2> octets_by_32; ///< scanned, rounded up
    std::array<Candidate, 2> candidates;      ///< in rule order
};
static_assert(sizeof(LabelState) == 16 && std::is_trivially_copyable_v<LabelState>);

} // namespace probe

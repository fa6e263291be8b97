// SPDX-License-Identifier: BSD-3-Clause
// The rules that say which application a flow is: read from YAML, compiled, immutable.
//
// A rule names an application and what speaks for it: patterns in the payload, a protocol that
// ApplicationInspector read, the server's name, and ports as the last resort. THE FIRST RULE THAT
// HOLDS WINS, in the order of the files and of the rules in them; never the order in which matches
// arrive. Ports are asked only when no rule holds, and the label says so (LabelSource::port).
// How a rule is written: templates/README.md, "Application rules".
//
// Thread: made on the control thread (start, reload); read by any number of threads, shared by
// std::shared_ptr. Reload: load() a new object, make new ApplicationClassifiers for it, let each
// worker swap its own at a burst boundary; who resolves or prints swaps the pointer.
// Errors: ipfix::ConfigError (file:line:column, the pattern and the reason), only in load().
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "probe/application/application_label.hpp"
#include "probe/application/application_options.hpp"
#include "probe/application/application_protocol.hpp"

namespace probe {

struct RuleSet;
class ApplicationClassifier;

/// Everything that may speak for a flow's application, when it is exported.
struct LabelEvidence {
    const LabelState* state = nullptr; ///< of classify_burst; nullptr: patterns were not asked
    ApplicationProtocol parsed = ApplicationProtocol::unknown; ///< of ApplicationInspector
    std::string_view server_name; ///< TLS or QUIC server name, else HTTP host; may have a port
    std::string_view dns_name;    ///< first question of a DNS flow
    std::uint8_t protocol = 0;    ///< IP protocol
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0; ///< asked before source_port
    /// The flow's first payload went through `state` (TCP: its SYN was seen). Then a port is not
    /// believed when its rules have patterns, since they should have matched.
    bool from_start = false;
};

/// Why patterns are asked or not.
enum class PatternsVerdict : std::uint8_t {
    matched,          ///< payload is scanned
    none_in_rules,    ///< no rule has a pattern
    not_built,        ///< this build has no Hyperscan
    cpu_not_supported ///< hs_valid_platform refuses this CPU (it wants SSSE3)
};

/// Which rules' patterns a payload is shown to.
enum class PatternsAsked : std::uint8_t {
    none,
    front,    ///< those of files before the one whose parsers suffice: an operator's own
    refining, ///< those of `front`, and of the rest those of rules that refine another
    all,
};

/// How the databases came to be, for the start-up report.
struct CompileReport {
    std::size_t rules = 0;
    std::size_t patterns = 0;
    std::size_t database_octets = 0;
    std::size_t from_cache = 0;       ///< databases restored
    std::size_t compiled = 0;         ///< databases compiled
    std::vector<std::string> remarks; ///< sentences for the operator, each to be said once
};

/// Asks whether this machine can match patterns; tests hand in another answer.
using PatternSupportCheck = PatternsVerdict (*)() noexcept;
[[nodiscard]] PatternsVerdict pattern_support() noexcept;

class ApplicationRules {
  public:
    /// Reads and compiles. Without pattern support the rules hold, their patterns are not asked,
    /// and a remark says so.
    [[nodiscard]] static std::shared_ptr<const ApplicationRules> load(
        const ApplicationOptions& options, PatternSupportCheck support = &pattern_support);

    ~ApplicationRules();
    ApplicationRules(const ApplicationRules&) = delete;
    ApplicationRules& operator=(const ApplicationRules&) = delete;

    /// The flow's application. Deterministic; no allocation.
    [[nodiscard]] ApplicationLabel resolve(const LabelEvidence& evidence) const noexcept;

    /// For a flow of this IP protocol, of which `parsed` has read a message. Where the parser's
    /// rule says that it suffices, patterns of its file are asked no more, but for those of rules
    /// that refine it, until the parser knows all it wants (`parser_done`). Those of files before
    /// it are asked until then, or, if one refines it, up to the limits.
    [[nodiscard]] PatternsAsked asked(std::uint8_t protocol, ApplicationProtocol parsed,
                                      bool parser_done) const noexcept;

    /// All ids that resolve() can answer, with their names; in ascending order of engine and
    /// selector. What the options records carry.
    [[nodiscard]] std::span<const ApplicationEntry> entries() const noexcept;
    /// Of entries(); nullptr when these rules do not know the id.
    [[nodiscard]] const ApplicationEntry* find(const ApplicationId& id) const noexcept;
    /// Octets that hold every id of these rules: 8 with an enterprise number, else 4.
    [[nodiscard]] std::size_t id_octets() const noexcept;

    [[nodiscard]] PatternsVerdict patterns() const noexcept;
    [[nodiscard]] const CompileReport& report() const noexcept;

  private:
    friend class ApplicationClassifier;
    explicit ApplicationRules(std::unique_ptr<const RuleSet> set);

    std::unique_ptr<const RuleSet> set_;
};

} // namespace probe

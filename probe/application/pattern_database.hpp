// SPDX-License-Identifier: BSD-3-Clause
// A set of expressions compiled so that one pass over some octets finds all that match.
//
// hyperscan_database.cpp is the only user of Hyperscan; where the library is missing at build time
// no_pattern_database.cpp takes its place, and support() says so. A CPU without what Hyperscan
// needs is found by support() before anything runs on it (intel/hyperscan#20, #50).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "probe/packet/packet_batch.hpp"

namespace probe {

struct PatternExpression {
    std::string text; ///< as PCRE writes it, of what Hyperscan supports
    bool ignore_case = false;
};

/// What the compiler said about one expression, or about all together.
class PatternError : public std::runtime_error {
  public:
    static constexpr std::size_t kAll = SIZE_MAX;
    PatternError(std::size_t expression, const std::string& reason)
        : std::runtime_error(reason), expression_(expression) {}
    [[nodiscard]] std::size_t expression() const noexcept { return expression_; }

  private:
    std::size_t expression_;
};

/// Of one expression's matches, in octets.
struct MatchOctets {
    std::uint32_t min = 0;
    std::uint32_t max = 0; ///< UINT32_MAX: without bound
};
/// Throws PatternError.
[[nodiscard]] MatchOctets match_octets(const PatternExpression& expression);

/// Immutable; any number of threads may scan with it, each with its own PatternScratch.
class PatternDatabase {
  public:
    /// Throws PatternError. Expression i is reported as i.
    [[nodiscard]] static PatternDatabase compile(std::span<const PatternExpression> expressions);
    /// Of serialise() on the same platform; nothing when it is damaged or from another one.
    [[nodiscard]] static std::optional<PatternDatabase> restore(Bytes serialised);

    ~PatternDatabase();
    PatternDatabase(PatternDatabase&& other) noexcept;
    PatternDatabase& operator=(PatternDatabase&& other) noexcept;

    [[nodiscard]] std::vector<std::uint8_t> serialise() const;
    [[nodiscard]] std::size_t octets() const noexcept;
    /// Library version and CPU features that a serialised database is bound to.
    [[nodiscard]] static std::string platform();

  private:
    friend class PatternScratch;
    struct Handle;
    explicit PatternDatabase(std::unique_ptr<Handle> handle);
    std::unique_ptr<Handle> handle_;
};

/// Working memory of one thread.
class PatternScratch {
  public:
    /// Throws std::runtime_error when there is no memory.
    explicit PatternScratch(std::span<const PatternDatabase* const> databases);
    ~PatternScratch();
    PatternScratch(const PatternScratch&) = delete;
    PatternScratch& operator=(const PatternScratch&) = delete;

    /// Called for each expression that matches, once, in no particular order.
    using Match = void (*)(void* context, std::uint32_t expression) noexcept;
    /// False when the library refuses. No allocation.
    [[nodiscard]] bool scan(const PatternDatabase& database, Bytes octets, Match match,
                            void* context) noexcept;

  private:
    struct Handle;
    std::unique_ptr<Handle> handle_;
};

} // namespace probe

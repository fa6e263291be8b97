// SPDX-License-Identifier: BSD-3-Clause
// In Hyperscan's place where a build has none (arm64): nothing is ever compiled or scanned.
#include "probe/application/application_rules.hpp"
#include "probe/application/pattern_database.hpp"

namespace probe {

PatternsVerdict pattern_support() noexcept {
    return PatternsVerdict::not_built;
}

MatchOctets match_octets(const PatternExpression&) {
    return {};
}

struct PatternDatabase::Handle {};
PatternDatabase::PatternDatabase(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
PatternDatabase::~PatternDatabase() = default;
PatternDatabase::PatternDatabase(PatternDatabase&& other) noexcept = default;
PatternDatabase& PatternDatabase::operator=(PatternDatabase&& other) noexcept = default;

PatternDatabase PatternDatabase::compile(std::span<const PatternExpression>) {
    throw PatternError(PatternError::kAll, "this build has no Hyperscan");
}
std::optional<PatternDatabase> PatternDatabase::restore(Bytes) {
    return std::nullopt;
}
std::vector<std::uint8_t> PatternDatabase::serialise() const {
    return {};
}
std::size_t PatternDatabase::octets() const noexcept {
    return 0;
}
std::string PatternDatabase::platform() {
    return "no Hyperscan";
}

struct PatternScratch::Handle {};
PatternScratch::PatternScratch(std::span<const PatternDatabase* const>) {}
PatternScratch::~PatternScratch() = default;
bool PatternScratch::scan(const PatternDatabase&, Bytes, Match, void*) noexcept {
    return false;
}

} // namespace probe

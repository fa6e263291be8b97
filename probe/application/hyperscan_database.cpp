// SPDX-License-Identifier: BSD-3-Clause
// The only user of Hyperscan. Block mode: a payload is whole, and one flow's packets lie bursts
// apart.
#include <hs.h>

#include <climits>
#include <new>

#include "probe/application/application_rules.hpp"
#include "probe/application/pattern_database.hpp"

namespace probe {

namespace {

/// A payload is octets, not lines; one report of an expression is enough.
unsigned flags_of(const PatternExpression& expression) {
    return HS_FLAG_DOTALL | HS_FLAG_SINGLEMATCH | (expression.ignore_case ? HS_FLAG_CASELESS : 0U);
}

/// Hyperscan's error, freed.
[[noreturn]] void raise(hs_compile_error_t* error, std::size_t expression) {
    const std::string reason = error != nullptr ? error->message : "out of memory";
    const bool one = error != nullptr && error->expression >= 0;
    const std::size_t which =
        one ? expression + static_cast<std::size_t>(error->expression) : PatternError::kAll;
    hs_free_compile_error(error);
    throw PatternError(which, reason);
}

struct MatchCall {
    PatternScratch::Match match;
    void* context;
};

int on_match(unsigned id, unsigned long long, unsigned long long, unsigned, void* context) {
    const auto* call = static_cast<const MatchCall*>(context);
    call->match(call->context, id);
    return 0;
}

} // namespace

PatternsVerdict pattern_support() noexcept {
    return hs_valid_platform() == HS_SUCCESS ? PatternsVerdict::matched
                                             : PatternsVerdict::cpu_not_supported;
}

MatchOctets match_octets(const PatternExpression& expression) {
    hs_expr_info_t* info = nullptr;
    hs_compile_error_t* error = nullptr;
    if (hs_expression_info(expression.text.c_str(), flags_of(expression), &info, &error) !=
        HS_SUCCESS) {
        raise(error, 0);
    }
    const MatchOctets octets{info->min_width, info->max_width};
    std::free(info); // by the default allocator, which nobody changes
    return octets;
}

struct PatternDatabase::Handle {
    hs_database_t* database = nullptr;
    ~Handle() { hs_free_database(database); }
};

PatternDatabase::PatternDatabase(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
PatternDatabase::~PatternDatabase() = default;
PatternDatabase::PatternDatabase(PatternDatabase&& other) noexcept = default;
PatternDatabase& PatternDatabase::operator=(PatternDatabase&& other) noexcept = default;

PatternDatabase PatternDatabase::compile(std::span<const PatternExpression> expressions) {
    std::vector<const char*> texts;
    std::vector<unsigned> flags;
    std::vector<unsigned> ids;
    for (const PatternExpression& expression : expressions) {
        ids.push_back(static_cast<unsigned>(texts.size()));
        texts.push_back(expression.text.c_str());
        flags.push_back(flags_of(expression));
    }
    auto handle = std::make_unique<Handle>();
    hs_compile_error_t* error = nullptr;
    if (hs_compile_multi(texts.data(), flags.data(), ids.data(),
                         static_cast<unsigned>(texts.size()), HS_MODE_BLOCK, nullptr,
                         &handle->database, &error) != HS_SUCCESS) {
        raise(error, 0);
    }
    return PatternDatabase(std::move(handle));
}

std::optional<PatternDatabase> PatternDatabase::restore(Bytes serialised) {
    auto handle = std::make_unique<Handle>();
    if (hs_deserialize_database(reinterpret_cast<const char*>(serialised.data()), serialised.size(),
                                &handle->database) != HS_SUCCESS) {
        return std::nullopt;
    }
    return PatternDatabase(std::move(handle));
}

std::vector<std::uint8_t> PatternDatabase::serialise() const {
    char* octets = nullptr;
    std::size_t length = 0;
    if (hs_serialize_database(handle_->database, &octets, &length) != HS_SUCCESS) {
        throw std::bad_alloc();
    }
    const auto* first = reinterpret_cast<const std::uint8_t*>(octets);
    std::vector<std::uint8_t> serialised(first, first + length);
    std::free(octets);
    return serialised;
}

std::size_t PatternDatabase::octets() const noexcept {
    std::size_t octets = 0;
    static_cast<void>(hs_database_size(handle_->database, &octets));
    return octets;
}

std::string PatternDatabase::platform() {
    hs_platform_info_t platform{};
    static_cast<void>(hs_populate_platform(&platform));
    return std::string("Hyperscan ") + hs_version() + ", tune " + std::to_string(platform.tune) +
           ", features " + std::to_string(platform.cpu_features);
}

struct PatternScratch::Handle {
    hs_scratch_t* scratch = nullptr;
    ~Handle() { hs_free_scratch(scratch); }
};

PatternScratch::PatternScratch(std::span<const PatternDatabase* const> databases)
    : handle_(std::make_unique<Handle>()) {
    for (const PatternDatabase* database : databases) {
        if (hs_alloc_scratch(database->handle_->database, &handle_->scratch) != HS_SUCCESS) {
            throw std::runtime_error("no memory for Hyperscan's scratch space");
        }
    }
}
PatternScratch::~PatternScratch() = default;

bool PatternScratch::scan(const PatternDatabase& database, Bytes octets, Match match,
                          void* context) noexcept {
    MatchCall call{match, context};
    return hs_scan(database.handle_->database, reinterpret_cast<const char*>(octets.data()),
                   static_cast<unsigned>(octets.size()), 0, handle_->scratch, &on_match,
                   &call) == HS_SUCCESS;
}

} // namespace probe

// SPDX-License-Identifier: BSD-3-Clause
// What a collector that copies fields into structs gains when the exporter's order is its own (the
// canonical order of templates): neighbours in both are one copy. The records are those of the
// default template set, the struct has their fields in canonical order.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "bench/measure.hpp"
#include "bench/results.hpp"
#include "encoder/template_description.hpp"

namespace bench {
namespace {

constexpr std::size_t kRecords = 4'096; // some 300 KB of records: the level-2 cache

struct Copy {
    std::uint32_t from;
    std::uint32_t to;
    std::uint32_t octets;
};

using Fields = std::vector<ipfix::FieldSpecifier>;

bool same_field(const ipfix::FieldSpecifier& a, const ipfix::FieldSpecifier& b) {
    return a.element == b.element && a.reverse == b.reverse;
}

/// The copies that bring records in the order of `wire` into a struct in the order of `kept`;
/// fields that are neighbours in both are copied at once.
std::vector<Copy> plan_copies(const Fields& wire, const Fields& kept) {
    std::vector<Copy> copies;
    std::uint32_t from = 0;
    for (const ipfix::FieldSpecifier& field : wire) {
        std::uint32_t to = 0;
        for (const ipfix::FieldSpecifier& before : kept) {
            if (same_field(before, field)) break;
            to += before.length;
        }
        const bool joins = !copies.empty() && copies.back().to + copies.back().octets == to;
        if (joins) {
            copies.back().octets += field.length;
        } else {
            copies.push_back({from, to, field.length});
        }
        from += field.length;
    }
    return copies;
}

class Collector {
  public:
    Collector(const Fields& wire, const Fields& kept) : copies_(plan_copies(wire, kept)) {
        for (const ipfix::FieldSpecifier& field : wire)
            record_octets_ += field.length;
        records_.resize(kRecords * record_octets_);
        std::iota(records_.begin(), records_.end(), std::uint8_t{0});
        structs_.resize(records_.size());
    }

    std::uint64_t run(std::uint64_t rounds) {
        for (std::uint64_t round = 0; round < rounds; ++round) {
            for (std::size_t i = 0; i < kRecords; ++i) {
                const std::uint8_t* from = records_.data() + i * record_octets_;
                std::uint8_t* to = structs_.data() + i * record_octets_;
                for (const Copy& copy : copies_)
                    std::memcpy(to + copy.to, from + copy.from, copy.octets);
            }
            records_[round % records_.size()] = structs_[(round * 7) % structs_.size()];
        }
        return rounds * kRecords;
    }

    [[nodiscard]] std::size_t copies() const { return copies_.size(); }

  private:
    std::vector<Copy> copies_;
    std::size_t record_octets_ = 0;
    std::vector<std::uint8_t> records_;
    std::vector<std::uint8_t> structs_;
};

void run_template(const ipfix::TemplateDescription& described, const MeasureOptions& measuring,
                  ResultFile& results) {
    const Fields written = ipfix::ordered_fields(described);
    Fields canonical = written;
    std::sort(canonical.begin(), canonical.end(), ipfix::canonically_before);
    Fields shuffled = written;
    std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(1)); // one order, the same each run
    Collector same(canonical, canonical);
    Collector as_written(written, canonical);
    Collector other(shuffled, canonical);
    std::vector<std::pair<std::string, Collector*>> collectors = {
        {"canonical", &same}, {"as written", &as_written}, {"shuffled", &other}};
    std::vector<Contestant> contestants;
    for (const auto& [name, collector] : collectors) {
        contestants.push_back(
            {name, [c = collector](std::uint64_t rounds) { return c->run(rounds); }, {}, {}, {}});
    }
    measure(contestants, measuring);
    const double best = figure_of(contestants[0].ns_per_packet).median;
    for (std::size_t i = 0; i < contestants.size(); ++i) {
        const Figure figure = figure_of(contestants[i].ns_per_packet);
        results.add({{"template", described.name},
                     {"fields", number(std::uint64_t{written.size()})},
                     {"order", contestants[i].name},
                     {"copies", number(std::uint64_t{collectors[i].second->copies()})},
                     {"ns_per_record", number(figure.median)},
                     {"spread_ns", number(figure.spread, 3)},
                     {"to_canonical", number(figure.median / best)}});
    }
}

int run(int argc, char** argv) {
    CLI::App app{"What a collector gains that copies records into structs of the exporter's order"};
    std::string folder;
    bool quick = false;
    bool smoke = false;
    app.add_option("--results", folder, "folder for order.csv");
    app.add_flag("--quick", quick, "short runs");
    app.add_flag("--smoke", smoke, "shorter still: does it run at all");
    CLI11_PARSE(app, argc, argv);
    MeasureOptions measuring;
    if (smoke || quick) measuring = {.runs = smoke ? 1 : 3, .seconds = smoke ? 0.002 : 0.05};
    RunIdentity identity{.command = "bench/order_bench", .pages = ""};
    for (int i = 1; i < argc; ++i) {
        identity.command += std::string(" ") + argv[i];
    }
    ResultFile results(folder, "order", identity);
    for (const ipfix::TemplateDescription& described :
         ipfix::load_template_descriptions(BENCH_TEMPLATES "/default.yaml")) {
        run_template(described, measuring, results);
    }
    return 0;
}

} // namespace
} // namespace bench

int main(int argc, char** argv) {
    try {
        return bench::run(argc, argv);
    } catch (const std::exception& error) {
        fmt::print(stderr, "order_bench: {}\n", error.what());
        return 1;
    }
}

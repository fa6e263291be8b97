// SPDX-License-Identifier: BSD-3-Clause
// decode(encode(x)) = x, where the decoder shares nothing with the encoder: random templates with
// random lengths, random records, random message sizes, 10^6 records from a seed.
#include <deque>
#include <random>

#include "encoder/list_form.hpp"
#include "encoder/message_builder.hpp"
#include "encoder/message_reader.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/strict_decoder.hpp"

using namespace ipfix;
using Octets = std::vector<std::uint8_t>;

namespace {

struct Sent {
    std::uint16_t template_id;
    std::vector<Octets> values;
};

class Random {
  public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}
    std::uint32_t below(std::uint32_t limit) {
        return std::uniform_int_distribution<std::uint32_t>(0, limit - 1)(engine_);
    }
    Octets octets(std::size_t count) {
        Octets out(count);
        for (std::uint8_t& octet : out)
            octet = static_cast<std::uint8_t>(below(256));
        return out;
    }

  private:
    std::mt19937_64 engine_;
};

const InformationElement& any_element(Random& random) {
    const auto table = random.below(4) == 0 ? enterprise_elements() : iana_elements();
    return table[random.below(static_cast<std::uint32_t>(table.size()))];
}

std::uint16_t any_length(Random& random, AbstractDataType type) {
    const std::uint16_t full = default_length(type);
    if (full == kVariableLength) {
        return random.below(2) == 0 ? full : static_cast<std::uint16_t>(1 + random.below(40));
    }
    for (;;) {
        const auto length = static_cast<std::uint16_t>(1 + random.below(full));
        if (allows_length(type, length)) return length;
    }
}

TemplateRecord any_template(Random& random, std::uint16_t id) {
    std::vector<FieldSpecifier> fields;
    const std::uint32_t count = 1 + random.below(12);
    while (fields.size() < count) {
        const InformationElement& element = any_element(random);
        if (is_list(element.type)) continue; // no list is any octets: structured_data_test.cpp
        const bool reverse = is_reversible(element) && random.below(3) == 0;
        fields.push_back({&element, any_length(random, element.type), reverse});
    }
    return {id, "t" + std::to_string(id), std::move(fields)};
}

// Lengths about the borders of the two forms of RFC 7011 section 7, seldom about the longest.
std::size_t variable_length(Random& random) {
    if (random.below(20'000) == 0) return 65'000 + random.below(400);
    constexpr std::size_t kBorders[] = {0, 1, 2, 253, 254, 255, 256, 300};
    return kBorders[random.below(8)];
}

Octets encode(Random& random, const TemplateRecord& record, Sent& sent) {
    Octets out;
    for (const FieldSpecifier& field : record.fields()) {
        const bool variable = field.length == kVariableLength;
        const Octets value = random.octets(variable ? variable_length(random) : field.length);
        if (variable && value.size() <= kShortVariableLengthMax) {
            out.push_back(static_cast<std::uint8_t>(value.size()));
        } else if (variable) {
            out.push_back(kLongVariableLength);
            out.push_back(static_cast<std::uint8_t>(value.size() >> 8U));
            out.push_back(static_cast<std::uint8_t>(value.size()));
        }
        out.insert(out.end(), value.begin(), value.end());
        sent.values.push_back(value);
    }
    return out;
}

struct Counter : RecordVisitor {
    void on_template(std::uint32_t, const ReadTemplate&) override { ++templates; }
    void on_record(const ReadRecord& record) override {
        ++records;
        octets += record.octets.size();
    }
    std::uint64_t templates = 0;
    std::uint64_t records = 0;
    std::uint64_t octets = 0;
};

// One session: templates first, then records of any of them, messages cut where they are full.
class Session {
  public:
    Session(std::uint64_t seed, std::uint32_t first_sequence)
        : random_(seed),
          builder_(random_.below(UINT32_MAX),
                   static_cast<std::uint16_t>(4000 + random_.below(61536)),
                   static_cast<std::uint16_t>(1U << random_.below(4))),
          sequence_(first_sequence),
          strict_(strict::Rules{.first_sequence_zero = false}),
          reader_(counter_) {}

    void run(std::size_t records) {
        for (std::uint16_t i = 0; i < 20; ++i) {
            templates_.push_back(any_template(random_, static_cast<std::uint16_t>(256 + i * 3000)));
            while (builder_.append_template(templates_.back()) != AppendVerdict::appended)
                flush();
        }
        for (std::size_t i = 0; i < records; ++i) {
            const TemplateRecord& record = templates_[random_.below(20)];
            Sent sent{record.id(), {}};
            const Octets octets = encode(random_, record, sent);
            AppendVerdict verdict = builder_.append_data(record, octets);
            if (verdict == AppendVerdict::message_full) {
                flush();
                verdict = builder_.append_data(record, octets);
            }
            REQUIRE(verdict != AppendVerdict::message_full);
            if (verdict == AppendVerdict::record_too_large) continue;
            octets_ += octets.size();
            ++records_;
            sent_.push_back(std::move(sent));
            if (random_.below(200) == 0) flush();
        }
        flush();
        CHECK(sent_.empty());
        CHECK(strict_.data_records() == records_);
        CHECK(strict_.records_missing() == 0);
        CHECK(counter_.records == records_);
        CHECK(counter_.octets == octets_);
        CHECK(counter_.templates == 20);
        CHECK(reader_.records_missing() == 0);
    }

  private:
    void flush() {
        if (builder_.empty()) return;
        const auto message = builder_.finish(time_++, sequence_);
        sequence_ += builder_.data_records();
        INFO(strict_.complaint());
        REQUIRE(strict_.message(message));
        for (const strict::Record& record : strict_.take_records()) {
            REQUIRE_FALSE(sent_.empty());
            compare(record, sent_.front());
            sent_.pop_front();
        }
        auto rest = message;
        REQUIRE(reader_.read(rest) == ReadVerdict::read);
        REQUIRE(rest.empty());
        builder_.reset();
    }

    static void compare(const strict::Record& got, const Sent& sent) {
        REQUIRE(got.template_id == sent.template_id);
        REQUIRE(got.values.size() == sent.values.size());
        bool equal = true;
        for (std::size_t i = 0; i < sent.values.size(); ++i) {
            equal = equal && got.values[i].second == sent.values[i];
        }
        REQUIRE(equal);
    }

    Random random_;
    MessageBuilder builder_;
    std::uint32_t sequence_;
    std::uint32_t time_ = 1'700'000'000;
    strict::Decoder strict_;
    Counter counter_;
    MessageReader reader_;
    std::vector<TemplateRecord> templates_;
    std::deque<Sent> sent_;
    std::uint64_t records_ = 0;
    std::uint64_t octets_ = 0;
};

} // namespace

TEST_CASE("random records of random templates come back as they were", "[encoder][property]") {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        INFO("seed " << seed);
        Session(seed, 0).run(20000);
    }
}

TEST_CASE("sequence numbers go on across 2^32", "[encoder][rfc7011-3.1]") {
    Session(99, UINT32_MAX - 50).run(300);
}

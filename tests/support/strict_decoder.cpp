// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/strict_decoder.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace strict {

namespace {

constexpr std::size_t kHeader = 16;
constexpr std::size_t kSetHeader = 4;
constexpr std::uint16_t kVariable = 65535;
constexpr std::uint16_t kBasicList = 291;
constexpr std::uint16_t kSubTemplateList = 292;
constexpr std::uint16_t kSubTemplateMultiList = 293;
constexpr std::uint32_t kHalfOfSequence = 0x80000000U;

std::uint64_t number_at(std::span<const std::uint8_t> octets, std::size_t at, std::size_t length) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < length; ++i)
        value = value * 256 + octets[at + i];
    return value;
}

std::uint16_t number16(std::span<const std::uint8_t> octets, std::size_t at) {
    return static_cast<std::uint16_t>(number_at(octets, at, 2));
}

std::uint32_t number32(std::span<const std::uint8_t> octets, std::size_t at) {
    return static_cast<std::uint32_t>(number_at(octets, at, 4));
}

// RFC 7012's lengths of the elements a probe uses most, by hand: a wrong length in the encoder's
// registry must not hide behind the same wrong table here.
struct KnownLength {
    std::uint16_t id;
    std::uint16_t octets;
    bool reducible; ///< integers may be shorter (RFC 7011 section 6.2)
};
constexpr std::array kKnownLengths = {
    KnownLength{1, 8, true},    KnownLength{2, 8, true},    KnownLength{4, 1, true},
    KnownLength{5, 1, true},    KnownLength{6, 2, true},    KnownLength{7, 2, true},
    KnownLength{8, 4, false},   KnownLength{10, 4, true},   KnownLength{11, 2, true},
    KnownLength{12, 4, false},  KnownLength{25, 8, true},   KnownLength{26, 8, true},
    KnownLength{27, 16, false}, KnownLength{28, 16, false}, KnownLength{31, 4, true},
    KnownLength{32, 2, true},   KnownLength{52, 1, true},   KnownLength{53, 1, true},
    KnownLength{56, 6, false},  KnownLength{58, 2, true},   KnownLength{60, 1, true},
    KnownLength{80, 6, false},  KnownLength{85, 8, true},   KnownLength{86, 8, true},
    KnownLength{136, 1, true},  KnownLength{139, 2, true},  KnownLength{150, 4, false},
    KnownLength{151, 4, false}, KnownLength{152, 8, false}, KnownLength{153, 8, false},
    KnownLength{154, 8, false}, KnownLength{155, 8, false}, KnownLength{156, 8, false},
    KnownLength{157, 8, false}, KnownLength{161, 4, true},  KnownLength{239, 1, true},
    KnownLength{243, 2, true},  KnownLength{245, 2, true},  KnownLength{256, 2, true},
    KnownLength{352, 8, true},
};

bool plausible_length(const Field& field) {
    if (field.length == 0) return false;
    if (field.enterprise != 0 && field.enterprise != kReverse) return true;
    const auto known = std::find_if(kKnownLengths.begin(), kKnownLengths.end(),
                                    [&](const KnownLength& k) { return k.id == field.id; });
    if (known == kKnownLengths.end()) return true;
    return known->reducible ? field.length <= known->octets : field.length == known->octets;
}

// The least a record of this template can take.
std::size_t least_octets(const Template& described) {
    std::size_t sum = 0;
    for (const Field& field : described.fields)
        sum += field.length == kVariable ? 1 : field.length;
    return sum;
}

std::string field_name(std::uint32_t enterprise, std::uint16_t id) {
    return std::to_string(enterprise) + "/" + std::to_string(id);
}

} // namespace

bool Record::has(std::uint32_t enterprise, std::uint16_t id) const {
    return std::any_of(values.begin(), values.end(), [&](const auto& value) {
        return value.first.enterprise == enterprise && value.first.id == id;
    });
}

const std::vector<std::uint8_t>& Record::octets(std::uint32_t enterprise, std::uint16_t id,
                                                std::size_t nth) const {
    for (const auto& [field, value] : values) {
        if (field.enterprise != enterprise || field.id != id) continue;
        if (nth == 0) return value;
        --nth;
    }
    throw std::out_of_range("the record of template " + std::to_string(template_id) +
                            " has no element " + field_name(enterprise, id));
}

std::uint64_t Record::number(std::uint32_t enterprise, std::uint16_t id) const {
    const std::vector<std::uint8_t>& value = octets(enterprise, id);
    if (value.size() > 8) throw std::out_of_range(field_name(enterprise, id) + " is no number");
    return number_at(value, 0, value.size());
}

std::uint64_t Record::number_or(std::uint32_t enterprise, std::uint16_t id,
                                std::uint64_t otherwise) const {
    return has(enterprise, id) ? number(enterprise, id) : otherwise;
}

std::string Record::address(std::uint16_t id) const {
    const std::vector<std::uint8_t>& value = octets(0, id);
    std::array<char, INET6_ADDRSTRLEN> text_form{};
    if (value.size() != 4 && value.size() != 16) {
        throw std::out_of_range(field_name(0, id) + " is no address");
    }
    inet_ntop(value.size() == 4 ? AF_INET : AF_INET6, value.data(), text_form.data(),
              static_cast<socklen_t>(text_form.size()));
    return text_form.data();
}

std::string Record::text(std::uint32_t enterprise, std::uint16_t id) const {
    const std::vector<std::uint8_t>& value = octets(enterprise, id);
    return {value.begin(), value.end()};
}

void Decoder::complain(const std::string& what) {
    violations_.push_back("message " + std::to_string(messages_) + ", domain " +
                          std::to_string(domain_id_) + ": " + what);
}

std::string Decoder::complaint() const {
    std::string all;
    for (const std::string& violation : violations_)
        all += violation + "\n";
    return all;
}

std::vector<Record> Decoder::take_records() {
    std::vector<Record> taken;
    taken.swap(records_);
    return taken;
}

const Template* Decoder::find_template(std::uint32_t domain, std::uint16_t id) const {
    const auto in = domains_.find(domain);
    if (in == domains_.end()) return nullptr;
    const auto at = in->second.templates.find(id);
    return at == in->second.templates.end() ? nullptr : &at->second;
}

void Decoder::new_session() {
    domains_.clear();
}

bool Decoder::stream(std::span<const std::uint8_t> octets) {
    const std::size_t before = violations_.size();
    while (octets.size() >= kHeader) {
        const std::size_t length = number16(octets, 2);
        if (length < kHeader || length > octets.size()) break;
        message(octets.first(length));
        octets = octets.subspan(length);
    }
    if (!octets.empty()) {
        complain("the stream ends with " + std::to_string(octets.size()) +
                 " octets that are no whole message");
    }
    return violations_.size() == before;
}

// RFC 7011 section 3.1 and section 10.3.3 for the length.
bool Decoder::message(std::span<const std::uint8_t> octets) {
    const std::size_t before = violations_.size();
    domain_id_ = octets.size() >= kHeader ? number32(octets, 12) : 0;
    if (octets.size() < kHeader) {
        complain("it is shorter than a Message Header");
    } else if (number16(octets, 0) != 10) {
        complain("its version is " + std::to_string(number16(octets, 0)) + ", not 10");
    } else if (number16(octets, 2) != octets.size()) {
        complain("its Length says " + std::to_string(number16(octets, 2)) + " but it has " +
                 std::to_string(octets.size()) + " octets");
    } else {
        Domain& domain = domains_[domain_id_];
        begin_message(octets, domain);
        sets(octets.subspan(kHeader), domain);
        domain.next_sequence = number32(octets, 8) + records_in_message_;
    }
    ++messages_;
    return violations_.size() == before;
}

void Decoder::begin_message(std::span<const std::uint8_t> octets, Domain& domain) {
    const std::uint32_t sequence = number32(octets, 8);
    export_time_s_ = number32(octets, 4);
    records_in_message_ = 0;
    if (octets.size() > rules_.message_octets_max) {
        complain("it has " + std::to_string(octets.size()) + " octets, more than the " +
                 std::to_string(rules_.message_octets_max) + " that fit");
    }
    if (octets.size() == kHeader) complain("it holds no Set");
    if (!domain.seen && rules_.first_sequence_zero && sequence != 0) {
        if (rules_.sequence) {
            complain("the session starts at sequence number " + std::to_string(sequence));
        }
        records_missing_ += sequence;
    }
    if (domain.seen && sequence != domain.next_sequence) {
        const std::uint32_t gap = sequence - domain.next_sequence;
        if (rules_.sequence) {
            complain("its sequence number is " + std::to_string(sequence) + ", expected " +
                     std::to_string(domain.next_sequence));
        }
        if (gap < kHalfOfSequence) records_missing_ += gap;
    }
    if (domain.seen && rules_.export_time_monotonic && export_time_s_ < domain.export_time_s) {
        complain("its Export Time goes back from " + std::to_string(domain.export_time_s) + " to " +
                 std::to_string(export_time_s_));
    }
    domain.seen = true;
    domain.export_time_s = export_time_s_;
}

// RFC 7011 section 3.3.
void Decoder::sets(std::span<const std::uint8_t> octets, Domain& domain) {
    while (!octets.empty()) {
        if (octets.size() < kSetHeader) {
            complain(std::to_string(octets.size()) + " octets after the last Set");
            return;
        }
        const std::uint16_t id = number16(octets, 0);
        const std::size_t length = number16(octets, 2);
        if (length < kSetHeader || length > octets.size()) {
            complain("Set " + std::to_string(id) + " has length " + std::to_string(length) +
                     " with " + std::to_string(octets.size()) + " octets left");
            return;
        }
        const auto body = octets.subspan(kSetHeader, length - kSetHeader);
        octets = octets.subspan(length);
        if (body.empty()) {
            complain("Set " + std::to_string(id) + " is empty");
        } else if (id == 2 || id == 3) {
            template_set(body, id == 3, domain);
        } else if (id < 256) {
            complain("Set ID " + std::to_string(id) + " is reserved");
        } else if (const auto at = domain.templates.find(id); at == domain.templates.end()) {
            complain("data of template " + std::to_string(id) + " before the template");
        } else {
            data_set(body, at->second);
        }
    }
}

void Decoder::template_set(std::span<const std::uint8_t> body, bool options, Domain& domain) {
    bool any = false;
    // Anything shorter than a record header is padding.
    while (body.size() >= 4) {
        if (!template_record(body, options, domain)) return;
        any = true;
    }
    if (!any) complain("a Template Set without a Template Record");
    padding(body, 4);
}

// RFC 7011 sections 3.2, 3.4.1 and 3.4.2.2. False when nothing after it can be read.
bool Decoder::template_record(std::span<const std::uint8_t>& body, bool options, Domain& domain) {
    Template read;
    read.id = number16(body, 0);
    const std::size_t count = number16(body, 2);
    body = body.subspan(4);
    const std::string who = "template " + std::to_string(read.id);
    if (count == 0) {
        withdraw(read.id, options, domain);
        return true;
    }
    ++template_records_;
    if (read.id < 256) complain(who + " has an id below 256");
    if (options) {
        if (body.size() < 2) {
            complain(who + " is cut before its Scope Field Count");
            return false;
        }
        read.scope_fields = number16(body, 0);
        body = body.subspan(2);
        if (read.scope_fields == 0 || read.scope_fields > count) {
            complain(who + " has " + std::to_string(read.scope_fields) + " scope fields");
        }
    }
    for (std::size_t i = 0; i < count; ++i) {
        Field field;
        const std::size_t needs = !body.empty() && (body[0] & 0x80U) != 0 ? 8 : 4;
        if (body.size() < needs) {
            complain(who + " is cut in field " + std::to_string(i + 1));
            return false;
        }
        field.id = number16(body, 0) & 0x7FFFU;
        field.length = number16(body, 2);
        if (needs == 8) field.enterprise = number32(body, 4);
        if (needs == 8 && field.enterprise == 0) complain(who + " sets the enterprise bit for 0");
        if (field.id == 0) complain(who + " has an element numbered 0");
        if (!plausible_length(field)) {
            complain(who + " gives element " + field_name(field.enterprise, field.id) + " " +
                     std::to_string(field.length) + " octets");
        }
        read.fields.push_back(field);
        body = body.subspan(needs);
    }
    const auto known = domain.templates.find(read.id);
    if (known != domain.templates.end() && known->second != read && !rules_.templates_may_change) {
        complain(who + " is defined again with another content");
    }
    domain.templates[read.id] = read;
    return true;
}

// RFC 7011 section 8.1.
void Decoder::withdraw(std::uint16_t id, bool options, Domain& domain) {
    ++withdrawals_;
    const std::string who = "withdrawal of template " + std::to_string(id);
    if (!rules_.withdrawals) complain(who + " over a transport that has none");
    if (id == (options ? 3 : 2)) {
        for (auto it = domain.templates.begin(); it != domain.templates.end();) {
            const bool same_kind = (it->second.scope_fields > 0) == options;
            it = same_kind ? domain.templates.erase(it) : std::next(it);
        }
        return;
    }
    if (domain.templates.erase(id) == 0) complain(who + ", which nobody defined");
}

void Decoder::data_set(std::span<const std::uint8_t> body, const Template& described) {
    const std::size_t least = least_octets(described);
    bool any = false;
    while (body.size() >= least && least > 0) {
        std::optional<Record> record = data_record(body, described);
        if (!record) return;
        any = true;
        ++data_records_;
        ++records_in_message_;
        if (rules_.keep_records) records_.push_back(std::move(*record));
    }
    if (!any)
        complain("a Data Set of template " + std::to_string(described.id) + " with no record");
    padding(body, least);
}

// RFC 7011 sections 3.4.3 and 7.
std::optional<Record> Decoder::data_record(std::span<const std::uint8_t>& body,
                                           const Template& described) {
    Record record;
    record.domain = domain_id_;
    record.template_id = described.id;
    record.export_time_s = export_time_s_;
    record.message = messages_;
    record.options = described.scope_fields > 0;
    for (const Field& field : described.fields) {
        std::size_t length = field.length;
        std::size_t prefix = 0;
        if (field.length == kVariable) {
            prefix = !body.empty() && body[0] == 255 ? 3 : 1;
            if (body.size() >= prefix) {
                length = prefix == 3 ? number16(body, 1) : body[0];
            }
        }
        if (body.size() < prefix || body.size() - prefix < length) {
            complain("a record of template " + std::to_string(described.id) +
                     " is cut in element " + field_name(field.enterprise, field.id));
            return std::nullopt;
        }
        const auto value = body.subspan(prefix, length);
        if (field.enterprise == 0 && field.id >= kBasicList && field.id <= kSubTemplateMultiList) {
            (void)list(field.id, value);
        }
        record.values.emplace_back(field, std::vector<std::uint8_t>(value.begin(), value.end()));
        body = body.subspan(prefix + length);
    }
    return record;
}

std::vector<std::uint64_t> List::numbers() const {
    std::vector<std::uint64_t> all;
    for (const std::vector<std::uint8_t>& value : values) {
        all.push_back(number_at(value, 0, value.size()));
    }
    return all;
}

// RFC 6313 section 4.5; semantics: IANA's registry.
List Decoder::list(std::uint16_t id, std::span<const std::uint8_t> value) {
    List read;
    if (value.empty()) {
        complain("a list without a semantic");
        return read;
    }
    if (id == kBasicList) {
        read = basic_list(value);
    } else if (id == kSubTemplateList) {
        if (value.size() < 3) {
            complain("a subTemplateList without a Template ID");
        } else {
            read.groups.push_back(list_records(number16(value, 1), value.subspan(3)));
        }
    } else {
        for (auto rest = value.subspan(1); !rest.empty();) {
            const std::size_t octets = rest.size() < 4 ? 0 : number16(rest, 2);
            if (octets < 4 || octets > rest.size()) {
                complain("a subTemplateMultiList with a Data Records Length of " +
                         std::to_string(octets));
                break;
            }
            read.groups.push_back(list_records(number16(rest, 0), rest.subspan(4, octets - 4)));
            rest = rest.subspan(octets);
        }
    }
    read.semantic = value[0];
    if (read.semantic > 4 && read.semantic != 255) {
        complain("a list with semantic " + std::to_string(read.semantic));
    }
    return read;
}

List Decoder::basic_list(std::span<const std::uint8_t> value) {
    List read;
    const bool enterprise = value.size() > 1 && (value[1] & 0x80U) != 0;
    const std::size_t header = enterprise ? 9 : 5;
    if (value.size() < header) {
        complain("a basicList without a Field Specifier");
        return read;
    }
    read.element.id = number16(value, 1) & 0x7FFFU;
    read.element.length = number16(value, 3);
    if (enterprise) read.element.enterprise = number32(value, 5);
    if (!plausible_length(read.element)) {
        complain("a basicList of elements of " + std::to_string(read.element.length) + " octets");
        return read;
    }
    // A list of a template of one field, as far as its values go.
    Template single;
    single.fields = {read.element};
    for (auto rest = value.subspan(header); !rest.empty();) {
        std::optional<Record> one = data_record(rest, single);
        if (!one) return read;
        read.values.push_back(std::move(one->values[0].second));
    }
    return read;
}

List::Group Decoder::list_records(std::uint16_t template_id, std::span<const std::uint8_t> octets) {
    List::Group group;
    group.template_id = template_id;
    const Template* const described = find_template(domain_id_, template_id);
    if (described == nullptr) {
        complain("a list of template " + std::to_string(template_id) + " before the template");
        return group;
    }
    while (!octets.empty()) {
        std::optional<Record> one = data_record(octets, *described);
        if (!one) break;
        group.records.push_back(std::move(*one));
    }
    return group;
}

// RFC 7011 section 3.3.1: padding is zero and shorter than any record of the Set.
void Decoder::padding(std::span<const std::uint8_t> rest, std::size_t record_octets_min) {
    if (rest.empty()) return;
    if (rest.size() >= record_octets_min) complain("padding as long as a record");
    if (std::any_of(rest.begin(), rest.end(), [](std::uint8_t octet) { return octet != 0; })) {
        complain("padding that is not zero");
    }
}

} // namespace strict

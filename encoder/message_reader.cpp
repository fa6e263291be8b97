// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/message_reader.hpp"

#include <algorithm>

#include "encoder/text_form.hpp"

namespace ipfix {

namespace {

constexpr std::uint32_t kHalfOfSequence = 0x80000000U;

} // namespace

ReadField make_read_field(std::uint32_t enterprise, std::uint16_t id, std::uint16_t length) {
    ReadField field{enterprise, id, length, AbstractDataType::octetArray, {}};
    const DirectedElement known = find_directed_element(enterprise, id);
    if (known.element == nullptr) {
        field.name = "e" + std::to_string(enterprise) + "id" + std::to_string(id);
    } else {
        field.type = known.element->type;
        field.name =
            known.reverse ? reverse_name(*known.element) : std::string(known.element->name);
    }
    return field;
}

bool same_content(const ReadTemplate& a, const ReadTemplate& b) noexcept {
    return a.scope_fields == b.scope_fields &&
           std::equal(a.fields.begin(), a.fields.end(), b.fields.begin(), b.fields.end(),
                      [](const ReadField& x, const ReadField& y) {
                          return x.enterprise == y.enterprise && x.id == y.id &&
                                 x.length == y.length;
                      });
}

const ReadTemplate* MessageReader::find_template(std::uint32_t domain_id,
                                                 std::uint16_t id) const noexcept {
    const auto known = templates_.find({domain_id, id});
    return known == templates_.end() ? nullptr : &known->second;
}

void append_json_record(std::string& out, const ReadRecord& record) {
    std::span<const std::uint8_t> rest = record.octets;
    out += '{';
    bool first = true;
    for (const ReadField& field : record.description->fields) {
        std::span<const std::uint8_t> value;
        if (!take_field(field.length, rest, value)) break;
        if (!first) out += ',';
        first = false;
        append_list_name(out, field.name, field.type, value);
        out += ':';
        if (!is_list(field.type) ||
            !append_json_list(out, field.type, value, record.templates, record.domain_id)) {
            append_json_value(out, field.type, value);
        }
    }
    out += '}';
}

const char* verdict_text(ReadVerdict verdict) noexcept {
    switch (verdict) {
        case ReadVerdict::read:
            return "read";
        case ReadVerdict::cut:
            return "the message is cut short";
        case ReadVerdict::not_ipfix:
            return "this is no IPFIX message: its version is not 10";
        case ReadVerdict::bad_length:
            return "the message or one of its sets has an impossible length";
        case ReadVerdict::bad_template:
            return "the message has a template that cannot be read";
        case ReadVerdict::bad_template_id:
            return "the message has a template whose id is below 256";
        case ReadVerdict::bad_scope:
            return "the message has an options template without a scope";
        case ReadVerdict::bad_record:
            return "the message has a record that its template does not fit";
        case ReadVerdict::too_large:
            break;
    }
    return "there are more template fields than any exporter needs";
}

ReadVerdict MessageReader::read_all(std::span<const std::uint8_t>& octets) {
    while (!octets.empty()) {
        const std::span<const std::uint8_t> at = octets;
        const ReadVerdict verdict = read(octets);
        if (verdict != ReadVerdict::read) {
            octets = at;
            return verdict;
        }
    }
    return ReadVerdict::read;
}

ReadVerdict MessageReader::read(std::span<const std::uint8_t>& octets) {
    if (octets.size() < kVersionOffset + sizeof(kVersion)) return ReadVerdict::cut;
    if (load_be<std::uint16_t>(octets.data() + kVersionOffset) != kVersion) {
        return ReadVerdict::not_ipfix;
    }
    if (octets.size() < kMessageHeaderOctets) return ReadVerdict::cut;
    const std::size_t length = load_be<std::uint16_t>(octets.data() + kMessageLengthOffset);
    if (length < kMessageHeaderOctets) return ReadVerdict::bad_length;
    const bool cut = length > octets.size();
    const Octets message = octets.first(std::min(length, octets.size()));
    octets = octets.subspan(message.size());

    const ReadHeader header{
        static_cast<std::uint16_t>(length),
        load_be<std::uint32_t>(message.data() + kExportTimeOffset),
        load_be<std::uint32_t>(message.data() + kSequenceNumberOffset),
        load_be<std::uint32_t>(message.data() + kDomainIdOffset),
    };
    message_begin_ = message.data();
    fault_at_ = message.size();
    visitor_.on_message(header);
    const std::uint64_t records_before = records_;
    const std::uint64_t skipped_before = unknown_sets_;
    ReadVerdict verdict = read_sets(header, message.subspan(kMessageHeaderOctets));
    ++messages_;
    if (cut) verdict = ReadVerdict::cut;
    const bool countable = verdict == ReadVerdict::read && unknown_sets_ == skipped_before;
    visitor_.on_message_end(verdict, records_ - records_before, countable, fault_at_);
    if (!cut) count_sequence(header, records_before, !countable);
    return verdict;
}

void MessageReader::count_sequence(const ReadHeader& header, std::uint64_t records_before,
                                   bool sets_skipped) {
    Domain& domain = domains_[header.domain_id];
    if (domain.sequence_known) {
        const std::uint32_t gap = header.sequence_number - domain.sequence_next;
        if (gap < kHalfOfSequence) records_missing_ += gap;
    }
    domain.sequence_known = !sets_skipped;
    domain.sequence_next =
        header.sequence_number + static_cast<std::uint32_t>(records_ - records_before);
}

ReadVerdict MessageReader::read_sets(const ReadHeader& header, Octets octets) {
    while (octets.size() >= kSetHeaderOctets) {
        const auto set_id = load_be<std::uint16_t>(octets.data());
        const std::size_t length = load_be<std::uint16_t>(octets.data() + kSetLengthOffset);
        if (length < kSetHeaderOctets || length > octets.size()) {
            return fault(ReadVerdict::bad_length, octets);
        }
        visitor_.on_set(set_id, at(octets));
        const ReadVerdict verdict =
            read_set(header, set_id, octets.subspan(kSetHeaderOctets, length - kSetHeaderOctets));
        if (verdict != ReadVerdict::read) return verdict;
        octets = octets.subspan(length);
    }
    return octets.empty() ? ReadVerdict::read : fault(ReadVerdict::bad_length, octets);
}

ReadVerdict MessageReader::read_set(const ReadHeader& header, std::uint16_t set_id, Octets body) {
    if (set_id == kTemplateSetId) return read_templates(header, body, false);
    if (set_id == kOptionsTemplateSetId) return read_templates(header, body, true);
    const auto known = templates_.find({header.domain_id, set_id});
    if (known == templates_.end()) {
        ++unknown_sets_;
        visitor_.on_unknown_set(set_id, at(body) - kSetHeaderOctets);
        return ReadVerdict::read;
    }
    return read_data(header, body, known->second);
}

ReadVerdict MessageReader::read_templates(const ReadHeader& header, Octets body, bool options) {
    std::uint64_t records = 0;
    while (body.size() >= kTemplateHeaderOctets) {
        // Padding may be longer than a header; a Template ID of 0 is no template.
        if (load_be<std::uint16_t>(body.data()) == 0) break;
        const ReadVerdict verdict = read_template(header, body, options);
        if (verdict != ReadVerdict::read) return verdict;
        ++records;
    }
    visitor_.on_set_end(options ? kOptionsTemplateSetId : kTemplateSetId, nullptr, records, body,
                        at(body));
    return ReadVerdict::read;
}

ReadVerdict MessageReader::read_template(const ReadHeader& header, Octets& body, bool options) {
    const Octets begin = body;
    ReadTemplate read;
    read.id = load_be<std::uint16_t>(body.data());
    const std::size_t count = load_be<std::uint16_t>(body.data() + 2);
    body = body.subspan(kTemplateHeaderOctets);
    if (count == 0) {
        const bool known = withdraw(header.domain_id, read.id, options);
        visitor_.on_withdrawal(options ? kOptionsTemplateSetId : kTemplateSetId, read.id, known,
                               at(begin));
        return ReadVerdict::read;
    }
    if (read.id < kFirstDataSetId) return fault(ReadVerdict::bad_template_id, begin);
    if (options) {
        if (body.size() < 2) return fault(ReadVerdict::bad_template, begin);
        read.scope_fields = load_be<std::uint16_t>(body.data());
        if (read.scope_fields == 0 || read.scope_fields > count) {
            return fault(ReadVerdict::bad_scope, begin);
        }
        body = body.subspan(2);
    }
    // A record of no octets would be there without end.
    if (read_fields(read, body, count) != ReadVerdict::read || read.record_octets_min == 0) {
        return fault(ReadVerdict::bad_template, begin);
    }
    if (fields_ + read.fields.size() > kReadFieldsMax) return fault(ReadVerdict::too_large, begin);
    const auto known = templates_.find({header.domain_id, read.id});
    visitor_.on_template_record(read, known == templates_.end() ? nullptr : &known->second,
                                at(begin));
    remember(header.domain_id, std::move(read));
    return ReadVerdict::read;
}

ReadVerdict MessageReader::read_fields(ReadTemplate& read, Octets& body, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        if (body.size() < kFieldSpecifierOctets) return ReadVerdict::bad_template;
        const auto number = load_be<std::uint16_t>(body.data());
        const auto length = load_be<std::uint16_t>(body.data() + 2);
        body = body.subspan(kFieldSpecifierOctets);
        std::uint32_t enterprise = 0;
        if ((number & kEnterpriseBit) != 0) {
            if (body.size() < kEnterpriseNumberOctets) return ReadVerdict::bad_template;
            enterprise = load_be<std::uint32_t>(body.data());
            body = body.subspan(kEnterpriseNumberOctets);
        }
        const auto id = static_cast<std::uint16_t>(number & ~kEnterpriseBit);
        read.fields.push_back(make_read_field(enterprise, id, length));
        read.record_octets_min += length == kVariableLength ? 1 : length;
    }
    return ReadVerdict::read;
}

void MessageReader::remember(std::uint32_t domain_id, ReadTemplate description) {
    ReadTemplate& slot = templates_[{domain_id, description.id}];
    if (same_content(slot, description)) return;
    fields_ += description.fields.size();
    fields_ -= slot.fields.size();
    slot = std::move(description);
    visitor_.on_template(domain_id, slot);
}

// RFC 7011 section 8.1; an id of 2 or 3 withdraws all templates of its kind.
bool MessageReader::withdraw(std::uint32_t domain_id, std::uint16_t id, bool options) {
    const bool all = id == (options ? kOptionsTemplateSetId : kTemplateSetId);
    const auto first = templates_.lower_bound({domain_id, all ? std::uint16_t{0} : id});
    bool known = all;
    for (auto it = first; it != templates_.end() && it->first.first == domain_id;) {
        if (!all && it->first.second != id) break;
        if ((it->second.scope_fields > 0) == options) {
            fields_ -= it->second.fields.size();
            it = templates_.erase(it);
            known = true;
        } else {
            ++it;
        }
    }
    return known;
}

ReadVerdict MessageReader::read_data(const ReadHeader& header, Octets body,
                                     const ReadTemplate& description) {
    std::uint64_t records = 0;
    while (body.size() >= description.record_octets_min) {
        Octets rest = body;
        Octets value;
        for (const ReadField& field : description.fields) {
            if (!take_field(field.length, rest, value)) {
                return fault(ReadVerdict::bad_record, body);
            }
        }
        const Octets record = body.first(body.size() - rest.size());
        ++records_;
        ++records;
        visitor_.on_record({&description, header.domain_id, header.export_time_s,
                            header.sequence_number, record, at(record), this});
        body = rest;
    }
    // What is left is padding (section 3.3.1).
    visitor_.on_set_end(description.id, &description, records, body, at(body));
    return ReadVerdict::read;
}

} // namespace ipfix

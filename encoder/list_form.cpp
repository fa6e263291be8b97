// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/list_form.hpp"

#include "encoder/message_reader.hpp"
#include "encoder/structured_data.hpp"
#include "encoder/text_form.hpp"

namespace ipfix {

namespace {

using Octets = std::span<const std::uint8_t>;

constexpr std::size_t kGroupHeaderOctets = 4; // Template ID and Data Records Length

/// One list being read; false from any step means that it cannot be.
class ListReader {
  public:
    ListReader(std::string& out, const TemplateFinder* finder, std::uint32_t domain_id,
               unsigned depth)
        : out_(out), finder_(finder), domain_id_(domain_id), depth_(depth) {}

    bool basic_list(Octets list) {
        BasicListHeader header;
        if (!take_basic_list_header(list, header)) return false;
        const ReadField field =
            make_read_field(header.enterprise, header.element_id, header.element_length);
        if (header.element_length == 0) return false;
        semantic(header.semantic);
        out_ += ",\"element\":";
        append_json_string(out_, field.name);
        out_ += ",\"values\":[";
        for (bool first = true; !list.empty(); first = false) {
            Octets value;
            if (!take_field(field.length, list, value)) return false;
            if (!first) out_ += ',';
            if (!field_value(field, value)) return false;
        }
        out_ += "]}";
        return true;
    }

    bool sub_template_list(Octets list) {
        if (list.size() < kListSemanticOctets + 2) return false;
        semantic(list[0]);
        out_ += ',';
        if (!records(load_be<std::uint16_t>(list.data() + 1), list.subspan(3))) return false;
        out_ += '}';
        return true;
    }

    bool sub_template_multi_list(Octets list) {
        if (list.size() < kListSemanticOctets) return false;
        semantic(list[0]);
        list = list.subspan(kListSemanticOctets);
        out_ += ",\"lists\":[";
        for (bool first = true; !list.empty(); first = false) {
            if (list.size() < kGroupHeaderOctets) return false;
            const std::size_t octets = load_be<std::uint16_t>(list.data() + 2);
            if (octets < kGroupHeaderOctets || octets > list.size()) return false;
            out_ += first ? "{" : ",{";
            if (!records(load_be<std::uint16_t>(list.data()),
                         list.subspan(kGroupHeaderOctets, octets - kGroupHeaderOctets))) {
                return false;
            }
            out_ += '}';
            list = list.subspan(octets);
        }
        out_ += "]}";
        return true;
    }

  private:
    void semantic(std::uint8_t number) {
        out_ += "{\"semantic\":";
        const char* const name = semantic_name(number);
        append_json_string(out_, name != nullptr ? name : std::to_string(number));
    }

    bool records(std::uint16_t template_id, Octets octets) {
        const ReadTemplate* const description =
            finder_ != nullptr ? finder_->find_template(domain_id_, template_id) : nullptr;
        if (description == nullptr) return false;
        out_ += "\"template\":" + std::to_string(template_id) + ",\"records\":[";
        for (bool first = true; !octets.empty(); first = false) {
            if (!first) out_ += ',';
            if (!record(*description, octets)) return false;
        }
        out_ += ']';
        return true;
    }

    bool record(const ReadTemplate& description, Octets& octets) {
        out_ += '{';
        for (const ReadField& field : description.fields) {
            Octets value;
            if (!take_field(field.length, octets, value)) return false;
            if (&field != description.fields.data()) out_ += ',';
            append_list_name(out_, field.name, field.type, value);
            out_ += ':';
            if (!field_value(field, value)) return false;
        }
        out_ += '}';
        return true;
    }

    bool field_value(const ReadField& field, Octets value) {
        if (is_list(field.type)) {
            return append_json_list(out_, field.type, value, finder_, domain_id_, depth_ + 1);
        }
        append_json_value(out_, field.type, value);
        return true;
    }

    std::string& out_;
    const TemplateFinder* finder_;
    std::uint32_t domain_id_;
    unsigned depth_;
};

} // namespace

bool append_json_list(std::string& out, AbstractDataType type, Octets value,
                      const TemplateFinder* finder, std::uint32_t domain_id, unsigned depth) {
    if (depth >= kListDepthMax) return false;
    const std::size_t before = out.size();
    ListReader reader(out, finder, domain_id, depth);
    bool read = false;
    if (type == AbstractDataType::basicList) read = reader.basic_list(value);
    if (type == AbstractDataType::subTemplateList) read = reader.sub_template_list(value);
    if (type == AbstractDataType::subTemplateMultiList) {
        read = reader.sub_template_multi_list(value);
    }
    if (!read) out.resize(before);
    return read;
}

void append_list_name(std::string& out, std::string_view name, AbstractDataType type,
                      Octets value) {
    BasicListHeader header;
    if (type != AbstractDataType::basicList || !take_basic_list_header(value, header)) {
        append_json_string(out, name);
        return;
    }
    append_json_string(
        out, std::string(name) + "(" +
                 make_read_field(header.enterprise, header.element_id, header.element_length).name +
                 ")");
}

} // namespace ipfix

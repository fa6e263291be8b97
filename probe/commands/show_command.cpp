// SPDX-License-Identifier: BSD-3-Clause
// `parshall show FILE`: an IPFIX file (RFC 5655), anyone's, as a table on a terminal or as JSON
// Lines.
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <utility>

#include "encoder/message_reader.hpp"
#include "encoder/template_record.hpp"
#include "probe/commands/assembly.hpp"
#include "probe/commands/commands.hpp"
#include "probe/exporting/flow_table_printer.hpp"

namespace probe {

namespace {

std::vector<std::uint8_t> read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) {
        throw std::runtime_error(path + " cannot be read: " + std::strerror(errno));
    }
    std::vector<std::uint8_t> octets{std::istreambuf_iterator<char>(in), {}};
    if (in.bad()) {
        throw std::runtime_error(path + " cannot be read: " + std::strerror(errno));
    }
    return octets;
}

void write_out(std::string& text) {
    (void)std::fwrite(text.data(), 1, text.size(), stdout);
    text.clear();
}

class JsonVisitor final : public ipfix::RecordVisitor {
  public:
    void on_template(std::uint32_t, const ipfix::ReadTemplate&) override {}
    void on_record(const ipfix::ReadRecord& record) override {
        ipfix::append_json_record(line_, record);
        line_ += '\n';
        write_out(line_);
    }

  private:
    std::string line_;
};

/// A template as the table's printer wants it; nothing when it has elements that nobody registered.
std::optional<ipfix::TemplateRecord> printable(const ipfix::ReadTemplate& read) {
    std::vector<ipfix::FieldSpecifier> fields;
    for (const ipfix::ReadField& field : read.fields) {
        const auto found = ipfix::find_directed_element(field.enterprise, field.id);
        if (found.element == nullptr) {
            return std::nullopt;
        }
        fields.push_back({found.element, field.length, found.reverse});
    }
    try {
        return ipfix::TemplateRecord(read.id, "read", std::move(fields), 0);
    } catch (const std::invalid_argument&) {
        return std::nullopt;
    }
}

using TemplateName = std::pair<std::uint32_t, std::uint16_t>; // domain, id

/// First pass: the table's widths are chosen once, from all templates of the file.
class TemplateVisitor final : public ipfix::RecordVisitor {
  public:
    void on_template(std::uint32_t domain, const ipfix::ReadTemplate& description) override {
        if (description.scope_fields != 0) {
            return;
        }
        if (auto record = printable(description)) {
            names.emplace_back(domain, description.id);
            templates.push_back(std::move(*record));
        }
    }
    void on_record(const ipfix::ReadRecord&) override {}

    std::vector<TemplateName> names;
    std::vector<ipfix::TemplateRecord> templates;
};

class TableVisitor final : public ipfix::RecordVisitor {
  public:
    TableVisitor(const TemplateVisitor& known, unsigned columns)
        : known_(known), printer_(known.templates, columns) {}

    void on_template(std::uint32_t domain, const ipfix::ReadTemplate& description) override {
        for (std::size_t i = next_; i < known_.names.size(); ++i) {
            if (known_.names[i] == TemplateName{domain, description.id}) {
                current_[known_.names[i]] = i;
                next_ = i + 1;
                return;
            }
        }
    }
    void on_record(const ipfix::ReadRecord& record) override {
        const auto at = current_.find({record.domain_id, record.description->id});
        if (record.description->scope_fields != 0 || at == current_.end()) {
            ++others_;
            return;
        }
        printer_.append_record(line_, at->second, record.octets);
        write_out(line_);
        ++shown_;
    }
    [[nodiscard]] std::uint64_t shown() const noexcept { return shown_; }
    [[nodiscard]] std::uint64_t others() const noexcept { return others_; }

  private:
    const TemplateVisitor& known_;
    FlowTablePrinter printer_;
    std::map<TemplateName, std::size_t> current_;
    std::size_t next_ = 0;
    std::string line_;
    std::uint64_t shown_ = 0;
    std::uint64_t others_ = 0;
};

unsigned terminal_columns() {
    winsize size{};
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/// False when the file is cut or broken.
bool show(const std::string& path, bool json) {
    const std::vector<std::uint8_t> file = read_file(path);
    std::span<const std::uint8_t> octets = file;
    ipfix::ReadVerdict verdict = ipfix::ReadVerdict::read;
    if (json) {
        JsonVisitor visitor;
        ipfix::MessageReader reader(visitor);
        verdict = reader.read_all(octets);
    } else {
        TemplateVisitor known;
        ipfix::MessageReader first(known);
        (void)first.read_all(octets);
        octets = file;
        TableVisitor visitor(known, terminal_columns());
        ipfix::MessageReader reader(visitor);
        verdict = reader.read_all(octets);
        fmt::print(
            "{}: {} messages, {} flow records{}{}\n", path, reader.messages(), visitor.shown(),
            visitor.others() != 0
                ? fmt::format(", {} other records (--json shows them)", visitor.others())
                : "",
            reader.records_missing() != 0
                ? fmt::format(", {} records missing by sequence number", reader.records_missing())
                : "");
    }
    (void)std::fflush(stdout);
    if (verdict != ipfix::ReadVerdict::read) {
        tell_operator(fmt::format("{}: octet {}: {}", path, file.size() - octets.size(),
                                  ipfix::verdict_text(verdict)));
        return false;
    }
    return true;
}

} // namespace

int show_command(const CommandLine& words) {
    const bool json = words.json || isatty(STDOUT_FILENO) == 0;
    bool whole = true;
    for (const std::string& file : words.files) {
        whole = show(file, json) && whole;
    }
    return whole ? kExitDone : kExitBrokenInput;
}

} // namespace probe

// SPDX-License-Identifier: BSD-3-Clause
// Every template that collectors were told of since the start, each at its place and under its id
// for good.
//
// A reload makes the next list: templates of the same content keep place and id, others follow
// behind, with ids that nobody had. So what waits under a template that a reload took away (in a
// queue, in a spool) keeps its description, and no id ever stands for two contents. RFC 7011
// section 8.1 would let an id be used anew after its withdrawal; over UDP nobody knows when that is
// safe, and there are enough of them.
//
// Thread: made by the signal thread, immutable then. Lists outlive the sinks that have them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "encoder/template_record.hpp"

namespace probe {

/// Nobody who has a record of one could tell which of them it is of.
[[nodiscard]] bool same_content(const ipfix::TemplateRecord& a, const ipfix::TemplateRecord& b);

class TemplateList {
  public:
    /// Data templates and Options Templates, those of common properties among them.
    using Templates = std::initializer_list<std::span<const ipfix::TemplateRecord>>;
    explicit TemplateList(Templates templates) : TemplateList(TemplateList(), templates) {}
    /// What follows `before`. Templates of an id that it has must have the content it has there.
    TemplateList(const TemplateList& before, Templates templates);

    [[nodiscard]] std::span<const ipfix::TemplateRecord> all() const noexcept { return all_; }
    /// Of the configuration that the list was made for.
    [[nodiscard]] bool present(std::size_t place) const noexcept { return present_[place]; }
    /// Present, or in the configuration before, whose flows may be on their way.
    [[nodiscard]] bool in_use(std::size_t place) const noexcept {
        return present_[place] || leaving_[place];
    }
    /// SIZE_MAX: there is none.
    [[nodiscard]] std::size_t place_of(std::uint16_t id) const noexcept;

  private:
    TemplateList() = default;
    void add(const ipfix::TemplateRecord& record);

    std::vector<ipfix::TemplateRecord> all_;
    std::vector<bool> present_;
    std::vector<bool> leaving_; ///< present in the list before
};

/// A list, or templates that are all present.
class TemplateView {
  public:
    TemplateView(const TemplateList& list) noexcept : all_(list.all()), list_(&list) {}
    TemplateView(std::span<const ipfix::TemplateRecord> all) noexcept : all_(all) {}
    TemplateView(const std::vector<ipfix::TemplateRecord>& all) noexcept : all_(all) {}

    [[nodiscard]] std::span<const ipfix::TemplateRecord> all() const noexcept { return all_; }
    [[nodiscard]] bool present(std::size_t place) const noexcept {
        return list_ == nullptr || list_->present(place);
    }
    /// Of data records that may still come.
    [[nodiscard]] bool in_use_data(std::size_t place) const noexcept {
        return (list_ == nullptr || list_->in_use(place)) && all_[place].scope_count() == 0;
    }
    [[nodiscard]] bool present_data(std::size_t place) const noexcept {
        return present(place) && all_[place].scope_count() == 0;
    }

  private:
    std::span<const ipfix::TemplateRecord> all_;
    const TemplateList* list_ = nullptr;
};

/// Gives the templates of a reload their ids.
class TemplateIds {
  public:
    /// Ids that a reload gives stay below; those above are for what sessions tell of themselves.
    static constexpr std::uint32_t kHighest = 65'000;

    /// `taken`: templates that have their ids already.
    explicit TemplateIds(const TemplateList& known, TemplateList::Templates taken = {});

    /// The id of a known template with this content, whatever id `content` has: of those with its
    /// name where there are any. Gives each id once.
    [[nodiscard]] std::optional<std::uint16_t> known_as(const ipfix::TemplateRecord& content);
    /// `id` is nobody's yet, and is from now on.
    [[nodiscard]] bool take(std::uint16_t id);
    /// An id that nobody had. Throws std::runtime_error when there is none left.
    [[nodiscard]] std::uint16_t fresh();

  private:
    const TemplateList& known_;
    std::set<std::uint16_t> given_; ///< in the configuration that is being made
    std::uint32_t next_ = ipfix::kFirstDataSetId;
};

} // namespace probe

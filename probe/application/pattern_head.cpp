// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/pattern_head.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>

namespace probe {

namespace {

/// So many ways to begin are told apart; with more of them, fewer octets are.
constexpr std::size_t kBeginningsMax = 64;
constexpr std::size_t kUnbounded = std::numeric_limits<std::size_t>::max();

/// One way to begin.
struct Beginning {
    std::vector<OctetSet> octets;
    bool open = true;  ///< what follows in the pattern continues it
    bool whole = true; ///< the pattern, up to here, asks for nothing else
    bool ends = false; ///< but for the payload's end

    [[nodiscard]] bool goes_on() const noexcept { return open && octets.size() < kHeadOctets; }
    friend bool operator==(const Beginning& a, const Beginning& b) {
        return a.open == b.open && a.ends == b.ends && a.octets == b.octets;
    }
};
using Beginnings = std::vector<Beginning>;

/// Something that this reader does not know.
struct NotRead {};

void add(Beginnings& to, Beginning one) {
    const auto same = std::find(to.begin(), to.end(), one);
    if (same == to.end()) {
        to.push_back(std::move(one));
    } else {
        same->whole = same->whole || one.whole; // either is a way to match
    }
}

/// Fewer octets of the longest ones, until they are few: what is cut off may be anything.
Beginnings few(Beginnings all) {
    while (all.size() > kBeginningsMax) {
        std::size_t longest = 0;
        for (const Beginning& one : all) {
            longest = std::max(longest, one.octets.size());
        }
        Beginnings shorter;
        for (Beginning& one : all) {
            if (one.octets.size() == longest) {
                one.octets.pop_back();
                one.open = one.whole = one.ends = false;
            }
            add(shorter, std::move(one));
        }
        all = std::move(shorter);
    }
    return all;
}

Beginnings followed_by(const Beginnings& first, const Beginnings& then) {
    Beginnings both;
    for (const Beginning& one : first) {
        if (!one.goes_on()) {
            Beginning cut = one;
            cut.whole = cut.ends = false;
            add(both, std::move(cut));
            continue;
        }
        for (const Beginning& other : then) {
            Beginning longer = one;
            const std::size_t room = kHeadOctets - longer.octets.size();
            const std::size_t taken = std::min(room, other.octets.size());
            longer.octets.insert(longer.octets.end(), other.octets.begin(),
                                 other.octets.begin() + static_cast<std::ptrdiff_t>(taken));
            longer.open = other.open;
            const bool all_taken = taken == other.octets.size();
            longer.whole = longer.whole && other.whole && all_taken;
            longer.ends = other.ends && all_taken;
            add(both, std::move(longer));
        }
    }
    return few(std::move(both));
}

/// At least `min` and at most `max` of them. More than kHeadOctets make no difference: one that is
/// not empty takes an octet.
Beginnings repeated(const Beginnings& item, std::size_t min, std::size_t max) {
    Beginnings last{Beginning{}};
    for (std::size_t i = 0; i < std::min(min, kHeadOctets); ++i) {
        last = followed_by(last, item);
    }
    for (Beginning& one : last) {
        one.whole = one.whole && min <= kHeadOctets;
    }
    Beginnings all = last;
    const std::size_t more = std::min(max - min, kHeadOctets);
    for (std::size_t i = 0; i < more; ++i) {
        last = followed_by(last, item);
        for (const Beginning& one : last) {
            add(all, one);
        }
    }
    return few(std::move(all));
}

OctetSet range(unsigned first, unsigned last) {
    OctetSet set;
    for (unsigned octet = first; octet <= last; ++octet) {
        set.set(octet);
    }
    return set;
}

/// What Hyperscan takes of PCRE's syntax, as far as rules use it.
class Reader {
  public:
    Reader(std::string_view text, bool ignore_case) : text_(text), ignore_case_(ignore_case) {}

    [[nodiscard]] Beginnings read() {
        Beginnings all = alternatives();
        if (!at_end()) {
            throw NotRead{};
        }
        for (Beginning& one : all) {
            one.whole = one.whole && exact_;
        }
        return all;
    }

  private:
    [[nodiscard]] bool at_end() const noexcept { return at_ == text_.size(); }
    [[nodiscard]] char peek() const {
        if (at_end()) {
            throw NotRead{};
        }
        return text_[at_];
    }
    char take() {
        const char next = peek();
        ++at_;
        return next;
    }
    bool take_if(std::string_view what) noexcept {
        if (text_.substr(at_, what.size()) != what) {
            return false;
        }
        at_ += what.size();
        return true;
    }

    Beginnings alternatives() {
        Beginnings all = sequence();
        while (take_if("|")) {
            for (Beginning& one : sequence()) {
                add(all, std::move(one));
            }
        }
        return few(std::move(all));
    }

    Beginnings sequence() {
        Beginnings all{Beginning{}};
        while (!at_end() && peek() != '|' && peek() != ')') {
            const Beginnings item = atom();
            all = followed_by(all, quantified(item));
        }
        return all;
    }

    Beginnings quantified(Beginnings item) {
        std::size_t min = 1;
        std::size_t max = 1;
        if (take_if("*")) {
            min = 0;
            max = kUnbounded;
        } else if (take_if("+")) {
            max = kUnbounded;
        } else if (take_if("?")) {
            min = 0;
        } else if (const auto bounds = bounds_in_braces()) {
            min = bounds->min;
            max = bounds->max;
        } else {
            return item;
        }
        static_cast<void>(take_if("?") || take_if("+")); // lazy, possessive: the same octets
        return repeated(item, min, max);
    }

    struct Bounds {
        std::size_t min;
        std::size_t max;
    };
    /// Braces that are no bounds are octets.
    std::optional<Bounds> bounds_in_braces() {
        const std::size_t begin = at_;
        if (take_if("{")) {
            if (const auto min = number()) {
                const std::size_t least = *min;
                std::size_t most = least;
                if (take_if(",")) {
                    most = number().value_or(kUnbounded);
                }
                if (take_if("}") && most >= least) {
                    return Bounds{least, most};
                }
            }
        }
        at_ = begin;
        return std::nullopt;
    }
    std::optional<std::size_t> number() {
        constexpr std::size_t kMost = 1'000'000;
        std::optional<std::size_t> value;
        while (!at_end() && peek() >= '0' && peek() <= '9') {
            value =
                std::min(value.value_or(0) * 10 + static_cast<std::size_t>(take() - '0'), kMost);
        }
        return value;
    }

    Beginnings atom() {
        switch (const char first = take()) {
            case '^':
                exact_ = exact_ && at_ == 1; // elsewhere it rules out what stands before
                return {Beginning{}};
            case '$':
                return {the_end()};
            case '.':
                return one_octet(OctetSet().set());
            case '[':
                return one_octet(octet_class());
            case '(':
                return group();
            case '\\':
                return escaped();
            case '*':
            case '+':
            case '?':
                throw NotRead{};
            default:
                return one_octet(cased(OctetSet().set(static_cast<unsigned char>(first))));
        }
    }

    Beginnings group() {
        if (!take_if("?:") && peek() == '?') {
            throw NotRead{}; // flags, what stands around, names
        }
        Beginnings inside = alternatives();
        if (!take_if(")")) {
            throw NotRead{};
        }
        return inside;
    }

    Beginnings escaped() {
        switch (peek()) {
            case 'A':
                ++at_;
                exact_ = false;
                return {Beginning{}};
            case 'z':
            case 'Z':
                ++at_;
                return {the_end()};
            default:
                return one_octet(cased(escaped_octets()));
        }
    }

    static Beginnings one_octet(const OctetSet& set) { return {Beginning{{set}}}; }
    static Beginning the_end() {
        return {.octets = {}, .open = false, .whole = true, .ends = true};
    }

    /// Behind the backslash, in a class or out of it.
    OctetSet escaped_octets() {
        const char letter = take();
        OctetSet set;
        switch (letter) {
            case 'x':
                return set.set(hexadecimal());
            case 'n':
                return set.set('\n');
            case 'r':
                return set.set('\r');
            case 't':
                return set.set('\t');
            case 'f':
                return set.set('\f');
            case 'd':
                return range('0', '9');
            case 'D':
                return ~range('0', '9');
            case 'w':
                return word();
            case 'W':
                return ~word();
            case 's': // whether VT is one has changed over PCRE's versions
                exact_ = false;
                return range('\t', '\r') | OctetSet().set(' ');
            case 'S':
                exact_ = false;
                return ~(range('\t', '\n') | range('\f', '\r') | OctetSet().set(' '));
            default:
                break;
        }
        const auto octet = static_cast<unsigned char>(letter);
        if (octet >= 0x80 || word().test(octet)) {
            throw NotRead{};
        }
        return set.set(octet);
    }

    unsigned hexadecimal() {
        unsigned value = 0;
        for (int digits = 0; digits < 2; ++digits) {
            const char digit = take();
            const char lower = static_cast<char>(digit | 0x20);
            if (digit >= '0' && digit <= '9') {
                value = value * 16 + static_cast<unsigned>(digit - '0');
            } else if (lower >= 'a' && lower <= 'f') {
                value = value * 16 + static_cast<unsigned>(lower - 'a') + 10;
            } else {
                throw NotRead{};
            }
        }
        return value;
    }

    static OctetSet word() {
        return range('0', '9') | range('A', 'Z') | range('a', 'z') | OctetSet().set('_');
    }

    /// Behind the opening bracket.
    OctetSet octet_class() {
        const bool negated = take_if("^");
        OctetSet set;
        for (bool first = true; first || peek() != ']'; first = false) {
            const std::optional<unsigned> low = member(set);
            if (!low || text_.substr(at_, 1) != "-" || text_.substr(at_ + 1, 1) == "]") {
                continue;
            }
            ++at_;
            OctetSet ignored;
            const std::optional<unsigned> high = member(ignored);
            if (!high || *high < *low) {
                throw NotRead{};
            }
            set |= range(*low, *high);
        }
        ++at_;
        set = cased(set);
        return negated ? ~set : set;
    }

    /// Adds it; what it is, if it is one octet.
    std::optional<unsigned> member(OctetSet& set) {
        const char next = take();
        if (next == '[' && (peek() == ':' || peek() == '.' || peek() == '=')) {
            throw NotRead{};
        }
        OctetSet added;
        if (next == '\\') {
            added = escaped_octets();
        } else {
            added.set(static_cast<unsigned char>(next));
        }
        set |= added;
        if (added.count() != 1) {
            return std::nullopt;
        }
        return static_cast<unsigned>(added._Find_first());
    }

    [[nodiscard]] OctetSet cased(OctetSet set) const {
        constexpr unsigned kToLower = 'a' - 'A';
        for (unsigned upper = 'A'; ignore_case_ && upper <= 'Z'; ++upper) {
            const bool either = set.test(upper) || set.test(upper + kToLower);
            set.set(upper, either);
            set.set(upper + kToLower, either);
        }
        return set;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    bool ignore_case_;
    bool exact_ = true; ///< nothing so far was read as more than it is
};

} // namespace

std::vector<PatternHead> pattern_heads(const PatternExpression& expression) {
    Beginnings beginnings;
    try {
        beginnings = Reader(expression.text, expression.ignore_case).read();
    } catch (const NotRead&) {
        return {PatternHead::any()};
    }
    std::vector<PatternHead> heads;
    for (const Beginning& one : beginnings) {
        PatternHead head = PatternHead::any();
        std::copy(one.octets.begin(), one.octets.end(), head.sets.begin());
        head.octets_min = one.octets.size();
        head.octets_max = one.ends ? one.octets.size() + 1 : PatternHead::kAnyLength;
        head.whole = one.whole;
        heads.push_back(head);
    }
    return heads;
}

} // namespace probe

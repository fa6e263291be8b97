// SPDX-License-Identifier: BSD-3-Clause
// What was said in each flow, and whether the records' names and labels are of that flow.
//
// Every UDP packet asks DNS for a name that no other asks for, every TCP packet carries words that
// a rule's pattern knows. A flow's name is its first packet's. So the records of a key, in the
// order they were made, have one name until one ends for another reason than the active timeout,
// and a later one from then on. Where pools are scarce, names and labels may be missing, never
// wrong.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/support/flow_truth.hpp"
#include "tests/support/strict_decoder.hpp"

namespace probe::test {

enum class RecordOrder : std::uint8_t {
    all,       ///< every record of a key comes, in the order in which they were made
    some_lost, ///< those that come, in that order
    any,
};

class Layer7Truth {
  public:
    /// Rules by which the records are labelled.
    static const char* const kRules;
    /// Values beside a template's own.
    static const char* const kValues;
    /// The payload of packet `number`.
    [[nodiscard]] static std::vector<std::uint8_t> payload(bool tcp, std::uint64_t number,
                                                           bool answer);

    /// `silence_min`: a flow that had no packet for so long may have ended; 0: one may have ended
    /// whenever packets waited for a worker.
    Layer7Truth(bool biflow, bool ample, RecordOrder order, TimeNs silence_min)
        : biflow_(biflow), ample_(ample), order_(order), silence_min_(silence_min) {}

    /// A worker took it.
    void packet(const TruePacket& packet, std::uint64_t number);
    /// In order, as for FlowTruth.
    void record(const strict::Record& record);

    [[nodiscard]] const std::vector<std::string>& complaints() const { return complaints_; }
    /// Records that lack what their packets said.
    [[nodiscard]] std::uint64_t missing() const { return missing_; }
    [[nodiscard]] std::uint64_t named() const { return named_; }

  private:
    struct Flow {
        std::set<std::uint64_t> said;
        std::uint64_t last_of_ended = 0; ///< no later flow of this key has an earlier name
        std::uint64_t name = 0;          ///< of the flow that goes on; 0: not known
        TimeNs end = 0;                  ///< of its last record
    };
    void check_name(Flow& flow, const std::string& key, const std::string& name, bool may_be_next);
    static void end_flow(Flow& flow);
    void complain(const std::string& key, const std::string& what);

    bool biflow_;
    bool ample_;
    RecordOrder order_;
    TimeNs silence_min_;
    std::map<std::string, Flow> flows_;
    std::vector<std::string> complaints_;
    std::uint64_t missing_ = 0;
    std::uint64_t named_ = 0;
};

} // namespace probe::test

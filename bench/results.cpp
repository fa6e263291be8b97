// SPDX-License-Identifier: BSD-3-Clause
#include "bench/results.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace bench {
namespace {

std::string machine() {
    std::ifstream info("/proc/cpuinfo");
    std::string model = "unknown";
    std::string family;
    for (std::string line; std::getline(info, line);) {
        const auto value = [&] { return line.substr(std::min(line.find(": ") + 2, line.size())); };
        if (line.rfind("cpu family", 0) == 0) {
            family = value();
        } else if (line.rfind("model name", 0) == 0) {
            model = value();
            break;
        }
    }
    return fmt::format("{} (family {}), {} CPUs", model, family,
                       std::thread::hardware_concurrency());
}

std::string csv_field(const std::string& value) {
    if (value.find_first_of(",\"\n") == std::string::npos) {
        return value;
    }
    std::string out = "\"";
    for (const char c : value) {
        out += c;
        if (c == '"') {
            out += '"';
        }
    }
    return out + '"';
}

std::string today() {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&now, &utc);
    std::array<char, 32> text{};
    (void)std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
    return text.data();
}

} // namespace

std::string number(double value, int decimals) {
    return fmt::format("{:.{}f}", value, decimals);
}
std::string number(std::uint64_t value) {
    return std::to_string(value);
}

double line_rate_pps(double gigabits, double frame_octets) noexcept {
    return gigabits * 1e9 / ((frame_octets + 20) * 8);
}

ResultFile::ResultFile(const std::string& folder, const std::string& name,
                       const RunIdentity& identity)
    : name_(name) {
    const char* commit = std::getenv("PARSHALL_COMMIT");
    identity_ = {{"machine", machine()},
                 {"pages", identity.pages},
                 {"compiler", "g++ " __VERSION__ ", " BENCH_BUILD},
                 {"commit", commit != nullptr ? commit : "unknown"},
                 {"date", today()},
                 {"command", identity.command}};
    if (folder.empty()) {
        return;
    }
    std::filesystem::create_directories(folder);
    const std::string path = folder + "/" + name + ".csv";
    file_ = std::fopen(path.c_str(), "w");
    if (file_ == nullptr) {
        throw std::runtime_error("cannot write " + path + "; choose another folder with --results");
    }
}

ResultFile::~ResultFile() {
    if (file_ != nullptr) {
        (void)std::fclose(file_);
    }
}

void ResultFile::add(const Row& row) {
    Row whole = row;
    whole.insert(whole.end(), identity_.begin(), identity_.end());
    if (!header_written_) {
        std::string header;
        for (const auto& [name, value] : whole) {
            header += (header.empty() ? "" : ",") + name;
        }
        if (file_ != nullptr) {
            fmt::print(file_, "{}\n", header);
        }
        fmt::print("\n{}\n", name_);
        for (const auto& [name, value] : row) {
            fmt::print("{:>{}} ", name, std::max<std::size_t>(name.size(), 9));
        }
        fmt::print("\n");
        header_written_ = true;
    }
    std::string line;
    for (std::size_t i = 0; i < whole.size(); ++i) {
        line += (i == 0 ? "" : ",") + csv_field(whole[i].second);
    }
    if (file_ != nullptr) {
        fmt::print(file_, "{}\n", line);
        (void)std::fflush(file_); // a run that is cut short keeps its rows
    }
    for (const auto& [name, value] : row) {
        fmt::print("{:>{}} ", value, std::max<std::size_t>(name.size(), 9));
    }
    fmt::print("\n");
    (void)std::fflush(stdout);
}

} // namespace bench

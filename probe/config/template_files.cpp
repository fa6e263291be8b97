// SPDX-License-Identifier: BSD-3-Clause
// Where template files are found. The shipped sets have plain names; everything else is a path.
#include <fmt/core.h>

#include <array>
#include <filesystem>
#include <stdexcept>

#include "encoder/nearest_name.hpp"
#include "probe/config/probe_config.hpp"

namespace probe {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 5> kShippedSets = {"default", "application", "uniflow",
                                                          "minimal", "wide"};

/// "default", not "./default" nor "default.yaml".
bool is_plain_name(std::string_view written) {
    return written.find_first_of("/.") == std::string_view::npos;
}

/// Beside the program first, so that a build tree and an unpacked archive use their own.
std::string find_shipped(std::string_view name) {
    std::error_code ignored;
    const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
    const std::array<fs::path, 5> places = {program / "templates", program / ".." / "templates",
                                            program / ".." / "share" / "parshall" / "templates",
                                            PARSHALL_TEMPLATES_INSTALLED,
                                            PARSHALL_TEMPLATES_SOURCE};
    for (const fs::path& place : places) {
        const fs::path file = place / fmt::format("{}.yaml", name);
        if (fs::is_regular_file(file, ignored)) {
            return file.lexically_normal();
        }
    }
    throw std::invalid_argument(
        fmt::format("the shipped file '{}' is not where it was installed ({}); install "
                    "parshall again or "
                    "name a template file",
                    name, PARSHALL_TEMPLATES_INSTALLED));
}

} // namespace

std::string find_template_file(const std::string& written, const std::string& directory) {
    for (const std::string_view set : kShippedSets) {
        if (written == set) {
            return find_shipped(set);
        }
    }
    fs::path path(written);
    if (path.is_relative() && !directory.empty()) {
        path = fs::path(directory) / path;
    }
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (fs::is_regular_file(status)) {
        return path.lexically_normal();
    }
    if (is_plain_name(written) && !fs::exists(status)) {
        throw std::invalid_argument(
            fmt::format("there is no template set '{}'; did you mean '{}'? (shipped: default, "
                        "application, uniflow, minimal, "
                        "wide; or the path of a file)",
                        written, ipfix::nearest_name(written, kShippedSets)));
    }
    if (fs::is_directory(status)) {
        throw std::invalid_argument(
            fmt::format("'{}' is a directory; name the template files in it one by one", written));
    }
    throw std::invalid_argument(fmt::format(
        "there is no template file '{}'{}; name a file, or one of default, application, uniflow, "
        "minimal, wide",
        written, written == path ? "" : " beside the configuration"));
}

std::string find_rule_file(const std::string& written, const std::string& directory) {
    constexpr std::string_view kShipped = "applications";
    if (written == kShipped) {
        return find_shipped(kShipped);
    }
    fs::path path(written);
    if (path.is_relative() && !directory.empty()) {
        path = fs::path(directory) / path;
    }
    std::error_code error;
    if (!fs::is_regular_file(fs::status(path, error))) {
        throw std::invalid_argument(fmt::format(
            "there is no file of application rules '{}'{}; name a file, or applications "
            "for the shipped one",
            written, written == path ? "" : " beside the configuration"));
    }
    return path.lexically_normal();
}

} // namespace probe

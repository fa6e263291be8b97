// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/kept_files.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

namespace probe {
namespace {

/// Paths as the pattern writes them, by the time they were last written.
std::vector<std::string> found(const FileNamePattern& pattern) {
    namespace fs = std::filesystem;
    std::vector<std::pair<fs::file_time_type, std::string>> files;
    std::error_code error;
    const std::string folder = pattern.folder().empty() ? "." : pattern.folder();
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
        const std::string name = at->path().filename();
        std::error_code gone;
        const fs::file_time_type written = at->last_write_time(gone);
        if (!gone && at->is_regular_file(gone) && pattern.matches(name)) {
            files.emplace_back(written, pattern.folder() + name);
        }
    }
    std::sort(files.begin(), files.end());
    std::vector<std::string> paths;
    for (auto& [written, path] : files) {
        paths.push_back(std::move(path));
    }
    return paths;
}

} // namespace

KeptFiles::KeptFiles(const FileNamePattern& pattern, std::size_t keep) : keep_(keep) {
    if (keep_ == 0) return;
    const std::vector<std::string> before = found(pattern);
    ring_.resize(std::max(before.size(), keep_) + 1);
    for (std::string& path : ring_) {
        path.reserve(pattern.octets_max());
    }
    for (const std::string& path : before) {
        ring_[count_++] = path;
    }
}

int KeptFiles::add(const std::string& path) noexcept {
    if (keep_ == 0) return 0;
    ring_[(oldest_ + count_) % ring_.size()].assign(path);
    ++count_;
    int error = 0;
    for (; count_ > keep_; --count_) {
        // One that somebody else took away is as good as deleted.
        if (::unlink(ring_[oldest_].c_str()) != 0 && errno != ENOENT) error = errno;
        oldest_ = (oldest_ + 1) % ring_.size();
    }
    return error;
}

} // namespace probe

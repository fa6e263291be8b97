// SPDX-License-Identifier: BSD-3-Clause
#include "probe/observation/eal_session.hpp"

#include <fcntl.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_memory.h>
#include <rte_version.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <set>

namespace probe {
namespace {

/// What the EAL prints while it starts. Its usage text goes to standard output, where only records
/// belong, and is dropped; its reasons go to standard error and are held back, so that a failure
/// can be told in one sentence.
class HeldOutput {
  public:
    HeldOutput()
        : held_(memfd_create("eal", MFD_CLOEXEC)),
          nothing_(open("/dev/null", O_WRONLY | O_CLOEXEC)) {
        std::fflush(stdout);
        std::fflush(stderr);
        saved_output_ = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        saved_error_ = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        dup2(nothing_, STDOUT_FILENO);
        dup2(held_, STDERR_FILENO);
    }
    HeldOutput(const HeldOutput&) = delete;
    HeldOutput& operator=(const HeldOutput&) = delete;

    ~HeldOutput() {
        std::fflush(stdout);
        std::fflush(stderr);
        give_back(saved_output_, STDOUT_FILENO);
        give_back(saved_error_, STDERR_FILENO);
        close(nothing_);
        close(held_);
    }

    [[nodiscard]] std::string text() const {
        std::fflush(stderr);
        std::string all;
        std::array<char, 4096> buffer{};
        ssize_t n = 0;
        while ((n = pread(held_, buffer.data(), buffer.size(), static_cast<off_t>(all.size()))) >
               0) {
            all.append(buffer.data(), static_cast<std::size_t>(n));
        }
        return all;
    }

  private:
    static void give_back(int saved, int descriptor) {
        if (saved >= 0) {
            dup2(saved, descriptor);
            close(saved);
        } else {
            close(descriptor); // as it was before
        }
    }

    int held_;
    int nothing_;
    int saved_output_ = -1;
    int saved_error_ = -1;
};

/// For others than root the EAL makes /tmp/dpdk, which then belongs to the first user who did so
/// and stops the next one. Nothing is kept there (--no-shconf, --in-memory), so a directory of our
/// own serves while the EAL starts.
class RuntimeDirectory {
  public:
    RuntimeDirectory() {
        if (geteuid() == 0 || std::getenv("RUNTIME_DIRECTORY") != nullptr ||
            std::getenv("XDG_RUNTIME_DIR") != nullptr) {
            return;
        }
        std::string path = std::filesystem::temp_directory_path() / "parshall-XXXXXX";
        if (mkdtemp(path.data()) != nullptr) {
            path_ = path;
            setenv("XDG_RUNTIME_DIR", path_.c_str(), 1);
        }
    }
    RuntimeDirectory(const RuntimeDirectory&) = delete;
    RuntimeDirectory& operator=(const RuntimeDirectory&) = delete;
    ~RuntimeDirectory() {
        if (!path_.empty()) {
            unsetenv("XDG_RUNTIME_DIR");
            std::error_code ignored;
            std::filesystem::remove_all(path_, ignored);
        }
    }

  private:
    std::string path_;
};

bool names_option(const std::vector<std::string>& arguments, std::string_view name) {
    return std::any_of(arguments.begin(), arguments.end(), [name](const std::string& argument) {
        return argument == name || argument.starts_with(std::string(name) + "=");
    });
}

constexpr const char* kHugepageRemedy =
    "reserve some with `echo 512 > /proc/sys/vm/nr_hugepages` (1 GB of 2 MB pages), or start with "
    "--no-huge";

/// Free hugepages of any size; -1 where the kernel does not say.
long free_hugepages() {
    long total = -1;
    std::error_code ignored;
    for (const auto& size :
         std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", ignored)) {
        long pages = 0;
        if (std::ifstream(size.path() / "free_hugepages") >> pages) {
            total = std::max(total, 0L) + pages;
        }
    }
    return total;
}

/// The rest of the first line that contains `mark`, without the mark.
std::string after(const std::string& text, const std::string& mark) {
    const std::size_t at = text.find(mark);
    if (at == std::string::npos) {
        return {};
    }
    const std::size_t from = at + mark.size();
    return text.substr(from, text.find('\n', from) - from);
}

/// One size of hugepages is enough, and that there is one was looked at before.
void print_but_for_noise(const std::string& output) {
    for (std::size_t from = 0; from < output.size();) {
        const std::size_t end = std::min(output.find('\n', from), output.size() - 1) + 1;
        const std::string line = output.substr(from, end - from);
        if (line.find("hugepages reported on node") == std::string::npos) {
            std::fputs(line.c_str(), stderr);
        }
        from = end;
    }
}

std::string explain_failure(int error, const std::string& output) {
    for (const char* mark : {"unrecognized option ", "invalid option -- ",
                             "option requires an argument -- ", "requires an argument"}) {
        if (output.find(mark) != std::string::npos) {
            const std::string what = after(output, ": ");
            return "the EAL does not take an argument as it is written (" + what +
                   "): EAL arguments stand before `--`, those of parshall behind it, as in "
                   "`parshall run -l 0-3 -- --config probe.yaml`";
        }
    }
    // The first reason is the nearest to the cause; the FATAL line names the step that failed.
    std::string reason = after(output, "EAL: ");
    for (const char* mark : {"EAL: lcore ", "EAL: Option ", "EAL: Cannot ", "EAL: invalid "}) {
        if (const std::string found = after(output, mark); !found.empty()) {
            reason = mark + 5 + found;
            break;
        }
    }
    if (reason.empty()) {
        reason = std::strerror(error);
    }
    const std::string start = "the EAL did not start (" + reason + "): ";
    if (output.find("failed to parse device") != std::string::npos) {
        return start +
               "a virtual device is named DRIVER and a number, as in net_af_packet0; its driver "
               "is a library in DPDK's directory of drivers (`-d DIR` names another)";
    }
    if (output.find("lcore") != std::string::npos ||
        output.find("core list") != std::string::npos ||
        output.find("coremask") != std::string::npos) {
        return start +
               "name lcores on CPUs that this process may use (`taskset -cp $$` lists them)";
    }
    if (output.find("hugepage") != std::string::npos || error == ENOMEM) {
        return start + kHugepageRemedy;
    }
    if (error == EACCES || error == EPERM) {
        return start + "start as root, or see README, \"Privileges\", for the capabilities needed";
    }
    if (error == EALREADY) {
        return "the EAL was started before in this process: DPDK starts once only, restart the "
               "program";
    }
    return start + "check the EAL arguments";
}

} // namespace

EalSession::EalSession(const std::vector<std::string>& arguments) {
    const bool asked_for_help = names_option(arguments, "--help") || names_option(arguments, "-h");
    if (!names_option(arguments, "--no-huge") && !asked_for_help && free_hugepages() == 0) {
        throw EalError(std::string("there are no free hugepages: ") + kHugepageRemedy);
    }
    std::vector<std::string> words{"parshall"};
    if (!names_option(arguments, "--log-level")) {
        words.emplace_back("--log-level=*:warning");
    }
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);

    std::string output;
    int parsed = 0;
    if (asked_for_help) {
        parsed = rte_eal_init(static_cast<int>(words.size()), argv.data()); // prints and exits
    } else {
        const bool keeps_files =
            !names_option(arguments, "--no-shconf") && !names_option(arguments, "--in-memory");
        std::optional<RuntimeDirectory> runtime_directory;
        if (!keeps_files) {
            runtime_directory.emplace();
        }
        const HeldOutput held;
        parsed = rte_eal_init(static_cast<int>(words.size()), argv.data());
        output = held.text();
    }
    if (parsed < 0) {
        throw EalError(explain_failure(rte_errno, output));
    }
    print_but_for_noise(output);
    const auto used = static_cast<std::size_t>(parsed) + 1;
    if (used < words.size()) {
        rte_eal_cleanup();
        throw EalError("the EAL does not know the word '" + words[used] +
                       "': EAL arguments stand before `--`, those of parshall behind it");
    }
    lcores_.push_back(rte_get_main_lcore());
    unsigned lcore = 0;
    RTE_LCORE_FOREACH_WORKER(lcore) {
        lcores_.push_back(lcore);
    }
}

EalSession::~EalSession() {
    rte_eal_cleanup();
}

std::string EalSession::version() {
    return rte_version();
}

std::string EalSession::pages() {
    if (rte_eal_has_hugepages() == 0) {
        return "ordinary pages (--no-huge), placed by the kernel";
    }
    std::set<std::uint64_t, std::greater<>> sizes;
    rte_memseg_list_walk(
        [](const rte_memseg_list* list, void* argument) {
            if (list->external == 0 && list->memseg_arr.count != 0) {
                static_cast<decltype(sizes)*>(argument)->insert(list->page_sz);
            }
            return 0;
        },
        &sizes);
    std::string text;
    for (const std::uint64_t size : sizes) {
        const bool large = size >= std::uint64_t{1} << 30;
        text += (text.empty() ? "" : " and ") + std::to_string(size >> (large ? 30 : 20)) +
                (large ? " GB" : " MB");
    }
    return text + " pages";
}

} // namespace probe

// SPDX-License-Identifier: BSD-3-Clause
#include "bench/collector_process.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/sinks.hpp"

namespace bench {
namespace {

/// A UDP port of the loopback interface that nobody had a moment ago.
std::uint16_t free_udp_port() {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    const bool bound =
        fd >= 0 && bind(fd, generic, length) == 0 && getsockname(fd, generic, &length) == 0;
    close(fd);
    if (!bound) {
        throw std::runtime_error(std::string("no UDP port: ") + std::strerror(errno));
    }
    return ntohs(address.sin_port);
}

std::string beside_us(const char* name) {
    return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / name).string();
}

const char* scheme_of(probe::TransportKind transport) noexcept {
    return transport == probe::TransportKind::sctp   ? "sctp"
           : transport == probe::TransportKind::dtls ? "dtls"
                                                     : "tls";
}

/// Starts it with its standard input and output on the far ends of two pipes.
pid_t start(std::vector<std::string> words, int input, int output) {
    std::vector<char*> arguments;
    for (std::string& word : words) {
        arguments.push_back(word.data());
    }
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    pid_t process = -1;
    const int error =
        posix_spawn(&process, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        throw std::runtime_error(words[0] + " does not start: " + std::strerror(error));
    }
    return process;
}

} // namespace

CollectorProcess::CollectorProcess(probe::TransportKind transport, int cpu) {
    where_.transport = transport;
    where_.host = "127.0.0.1";
    where_.tls = Certificates::options(certificates_.folder());
    std::vector<std::string> words = {beside_us("bench_collector"),
                                      scheme_of(transport),
                                      "--certificates",
                                      certificates_.folder(),
                                      "--cpu",
                                      std::to_string(cpu)};
    if (transport == probe::TransportKind::sctp) {
        where_.sctp.encapsulation = free_udp_port();
        words.insert(words.end(), {"--port", std::to_string(where_.port), "--encapsulation",
                                   std::to_string(where_.sctp.encapsulation)});
    }
    std::array<int, 2> to{};
    std::array<int, 2> from{};
    if (pipe2(to.data(), O_CLOEXEC) != 0 || pipe2(from.data(), O_CLOEXEC) != 0) {
        throw std::runtime_error(std::string("no pipe: ") + std::strerror(errno));
    }
    input_.reset(fdopen(to[1], "w"));
    output_.reset(fdopen(from[0], "r"));
    process_ = start(words, to[0], from[1]);
    close(to[0]);
    close(from[1]);
    unsigned port = 0;
    if (std::fscanf(output_.get(), "%u", &port) != 1) { // NOLINT(cert-err34-c): 0 fails below
        throw std::runtime_error(words[0] + " did not tell its port");
    }
    where_.port = static_cast<std::uint16_t>(port);
    where_.url = std::string(scheme_of(transport)) + "://127.0.0.1:" + std::to_string(port);
}

CollectorProcess::~CollectorProcess() {
    input_.reset();
    if (process_ > 0) {
        (void)waitpid(process_, nullptr, 0); // it has ended: nobody asks how any more
    }
}

std::unique_ptr<probe::RecordSink> CollectorProcess::open_sink(
    const probe::RecordBinding& binding) const {
    return open_network_sink(binding, where_);
}

CollectorProcess::Received CollectorProcess::finish() {
    input_.reset();
    std::array<unsigned long long, 4> numbers{};
    // NOLINTNEXTLINE(cert-err34-c): a number that is not one is not counted
    if (std::fscanf(output_.get(), "%llu %llu %llu %llu", &numbers[0], &numbers[1], &numbers[2],
                    &numbers[3]) != 4) {
        throw std::runtime_error("bench_collector did not tell what it received");
    }
    return {numbers[0], numbers[1], numbers[2], numbers[3]};
}

} // namespace bench

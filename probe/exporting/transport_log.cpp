// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/transport_log.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

namespace probe {
namespace {

SendError kind_of(int error) noexcept {
    switch (error) {
        case EAGAIN:
            return SendError::would_block;
        case ENOBUFS:
        case ENOMEM:
            return SendError::no_buffers;
        case EMSGSIZE:
            return SendError::message_size;
        case ECONNREFUSED:
            return SendError::refused;
        case ENETUNREACH:
        case EHOSTUNREACH:
        case ENETDOWN:
        case EHOSTDOWN:
            return SendError::unreachable;
        case ECONNRESET:
        case ECONNABORTED:
        case EPIPE:
        case ENOTCONN:
        case ETIMEDOUT:
            return SendError::disconnected;
        case EPROTO:
            return SendError::handshake;
        case ENOSPC:
        case EDQUOT:
        case EFBIG:
        case EIO:
        case EROFS:
            return SendError::storage;
        default:
            return SendError::other;
    }
}

} // namespace

TransportLog::TransportLog(std::string collector, LogLine log)
    : collector_(std::move(collector)), log_(std::move(log)) {}

SendError TransportLog::count(int error) noexcept {
    const SendError kind = kind_of(error);
    ++errors_[static_cast<std::size_t>(kind)];
    return kind;
}

void TransportLog::failed(const char* what, int error, const char* then) noexcept {
    count(error);
    if (said_error_ == error) return;
    said_error_ = error;
    said_anything_ = true;
    try {
        say(std::string(what) + " (" + std::strerror(error) + "); " + then);
    } catch (...) { // without memory for a line there is no line: the counter has it
    }
}

void TransportLog::works(const char* what) noexcept {
    if (said_anything_ && said_error_ == 0) return;
    said_error_ = 0;
    said_anything_ = true;
    try {
        say(what);
    } catch (...) { // as above
    }
}

void TransportLog::say(const std::string& line) const {
    if (log_) log_("collector " + collector_ + ": " + line);
}

} // namespace probe

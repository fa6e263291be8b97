// SPDX-License-Identifier: BSD-3-Clause
// Catch2's main, compiled once and linked into every test program that needs no set-up of its own.
#define CATCH_CONFIG_MAIN
#include "tests/support/catch.hpp"

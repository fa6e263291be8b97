// SPDX-License-Identifier: BSD-3-Clause
// The one include of Catch2, so that a move to its version 3 is one line.
#pragma once
#include <catch2/catch.hpp>

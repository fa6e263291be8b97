// SPDX-License-Identifier: BSD-3-Clause
// main() of a fuzz target without libFuzzer: runs it once over every file of the folders named, so
// that the corpus is a regression test in builds of any compiler.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int arguments, char** argument) {
    std::size_t files = 0;
    for (int i = 1; i < arguments; ++i) {
        for (const auto& entry : std::filesystem::directory_iterator(argument[i])) {
            std::ifstream file(entry.path(), std::ios::binary);
            const std::vector<char> text((std::istreambuf_iterator<char>(file)), {});
            const std::vector<std::uint8_t> octets(text.begin(), text.end());
            static_cast<void>(LLVMFuzzerTestOneInput(octets.data(), octets.size()));
            ++files;
        }
    }
    std::printf("%zu files\n", files);
    return files > 0 ? 0 : 1; // an empty corpus tests nothing
}

// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/yaml_document.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "tests/support/catch.hpp"

using namespace ipfix;

namespace {

YamlNode load(const std::string& text) {
    return YamlNode::load_text(text, "f.yaml");
}

std::string error_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "no error";
}

std::string load_error(const std::string& text) {
    return error_of([&] { static_cast<void>(load(text)); });
}

constexpr std::uint64_t kSecond = 1'000'000'000;

// A directory that goes away with the test.
struct Directory {
    Directory() {
        std::string name = (std::filesystem::temp_directory_path() / "yaml_XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~Directory() { std::filesystem::remove_all(path); }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    std::string path;
};

} // namespace

TEST_CASE("values are read with their types, places and paths", "[encoder][yaml]") {
    const YamlNode root = load(
        "name: a\n"
        "count: 12\n"
        "nested:\n"
        "  on: yes\n"
        "  list: [x, y]\n"
        "empty:\n");
    CHECK(root.at("name").as_string() == "a");
    CHECK(root.at("count").as_uint(0, 100) == 12);
    CHECK(root.at("count").as_int(-5, 100) == 12);
    CHECK(root.at("count").as_double(0, 100) == 12.0);
    CHECK(root.at("nested").at("on").as_bool());
    const auto items = root.at("nested").at("list").list();
    REQUIRE(items.size() == 2);
    CHECK(items[1].as_string() == "y");
    CHECK(items[1].line() == 5);
    CHECK(items[1].column() == 13);
    CHECK(items[1].path() == "nested.list[2]");
    CHECK(root.at("empty").is_null());
    CHECK_FALSE(root.has("other"));
    CHECK_FALSE(root.find("other").has_value());
    CHECK(root.keys() == std::vector<std::string>{"name", "count", "nested", "empty"});
    CHECK(root.at("name").list_or_one().size() == 1);
    CHECK(load("a: 0xff").at("a").as_uint(0, 300) == 255);
    CHECK(load("a: \"5\"").at("a").as_uint(0, 9) == 5);
    CHECK(load("a: '~'").at("a").as_string() == "~");
    CHECK(load("\xEF\xBB\xBF"
               "a: gr\xC3\xBC\xC3\x9F\r\nb: 2\r\n")
              .at("a")
              .as_string() == "gr\xC3\xBC\xC3\x9F");
}

TEST_CASE("a node outlives what it came from", "[encoder][yaml]") {
    const YamlNode item = load("a: [b]").at("a").list().front();
    CHECK(item.as_string() == "b");
    CHECK(item.file() == "f.yaml");
}

TEST_CASE("durations need a unit and sizes take one", "[encoder][yaml]") {
    const auto duration = [](const std::string& text) {
        return load("t: " + text).at("t").as_duration(0, 3600 * kSecond, true);
    };
    CHECK(duration("15s") == 15 * kSecond);
    CHECK(duration("250ms") == kSecond / 4);
    CHECK(duration("1.5s") == kSecond * 3 / 2);
    CHECK(duration("2 m") == 120 * kSecond);
    CHECK(duration("1h") == 3600 * kSecond);
    CHECK(duration("10us") == 10'000);
    CHECK(duration("0s") == 0);
    CHECK(duration("off") == kDurationOff);
    CHECK(error_of([&] { duration("15"); }) ==
          "f.yaml:1:4: t: expected a duration from 0s to 1h, or off, found '15'; write the unit as "
          "well, such as 15s");
    for (const char* wrong :
         {"s", "2h", "1.2.3s", "-1s", "5 parsecs", "99999999999999999999s", "1e3s", "[1s]"}) {
        INFO(wrong);
        CHECK(error_of([&] { duration(wrong); }) != "no error");
    }
    const auto size = [](const std::string& text) {
        return load("n: " + text).at("n").as_size(1, 1ULL << 40U);
    };
    CHECK(size("4096") == 4096);
    CHECK(size("64k") == 65536);
    CHECK(size("16M") == 16U << 20U);
    CHECK(size("1GiB") == 1U << 30U);
    CHECK(error_of([&] { size("0"); }) ==
          "f.yaml:1:4: n: expected a size in octets from 1 to 1024G (64k, 16M, 1G), found '0'");
    CHECK(error_of([&] { size("99999999T"); }) != "no error");
    CHECK(duration_text(90 * 60 * kSecond) == "90m");
    CHECK(duration_text(1500'000'000) == "1500ms");
}

TEST_CASE("a wrong value says where it is and what was expected", "[encoder][yaml][messages]") {
    const YamlNode root = load("a:\n  b: x\nc: [1]\nd:\nlong: " + std::string(100, 'z'));
    const auto b = root.at("a").at("b");
    CHECK(error_of([&] { static_cast<void>(b.as_uint(1, 9)); }) ==
          "f.yaml:2:6: a.b: expected a whole number from 1 to 9, found 'x'");
    CHECK(error_of([&] { static_cast<void>(b.as_bool()); }) ==
          "f.yaml:2:6: a.b: expected true or false, found 'x'");
    CHECK(error_of([&] { static_cast<void>(b.as_double(0, 1)); }) ==
          "f.yaml:2:6: a.b: expected a number from 0 to 1, found 'x'");
    CHECK(error_of([&] { static_cast<void>(b.list()); }) ==
          "f.yaml:2:6: a.b: expected a list, found a single value");
    CHECK(error_of([&] { static_cast<void>(b.at("z")); }) ==
          "f.yaml:2:6: a.b: expected keys with values, found a single value");
    CHECK(error_of([&] { static_cast<void>(root.at("c").as_string()); }) ==
          "f.yaml:3:4: c: expected a text, found a list");
    CHECK(error_of([&] { static_cast<void>(root.at("d").as_string()); }) ==
          "f.yaml:4:1: d: expected a text, found nothing");
    CHECK(error_of([&] { static_cast<void>(root.at("e")); }) ==
          "f.yaml:1:1: the key 'e' is missing; add 'e:' here");
    CHECK(error_of([&] {
              root.check_keys({"aa", "c", "d", "long"});
          }) ==
          "f.yaml:1:1: unknown key 'a'; did you mean 'aa'? The keys here are: aa, c, d, long");
    CHECK(error_of([&] {
              static_cast<void>(b.as_one_of({"evict", "refuse"}));
          }) == "f.yaml:2:6: a.b: expected one of evict, refuse, found 'x'; did you mean 'evict'?");
    CHECK(error_of([&] { static_cast<void>(root.at("long").as_bool()); }).size() < 150);
    CHECK(load("w: refuse").at("w").as_one_of({"evict", "refuse"}) == 1);
    for (const char* wrong : {"-1", "1.5", "10", "0x", "''", "99999999999999999999999"}) {
        CHECK(error_of([&] {
                  static_cast<void>(load(std::string("n: ") + wrong).at("n").as_uint(0, 9));
              }) != "no error");
    }
    CHECK(error_of([&] { static_cast<void>(load("n: nan").at("n").as_double(0, 1)); }) !=
          "no error");
}

TEST_CASE("text that is no usable YAML is refused with place and remedy",
          "[encoder][yaml][messages]") {
    CHECK(load_error("") == "f.yaml:1:1: the file is empty; it needs at least one key");
    CHECK(load_error("# only this\n\n") ==
          "f.yaml:1:1: the file is empty; it needs at least one key");
    CHECK(load_error("just text") ==
          "f.yaml:1:1: expected keys with values here, such as 'templates:'");
    CHECK(load_error("- a") == "f.yaml:1:1: expected keys with values here, such as 'templates:'");
    CHECK(load_error("a: 1\n\tb: 2\n") ==
          "f.yaml:2:1: a tab indents this line; YAML indents with spaces");
    CHECK(load_error("a: 1\nb: 2\na: 3\n") ==
          "f.yaml:3:1: the key 'a' is here twice, first in line 1; keep one of them");
    CHECK(load_error("a: &x [1]\nb: *x\n") ==
          "f.yaml:2:4: aliases (*name) are not supported here; write the value out");
    CHECK(load_error("a: 1\n---\nb: 2\n") ==
          "f.yaml:3:1: a second YAML document starts here; keep one document per file");
    CHECK(load_error("a: \xFF\n") ==
          "f.yaml:1:4: this is not text in UTF-8; save the file as UTF-8");
    CHECK(load_error(std::string("a\0: 1", 6)) ==
          "f.yaml:1:2: this is not text in UTF-8; save the file as UTF-8");
    CHECK(load_error("a: [b, c[4], d]\n") ==
          "f.yaml:1:9: the bracket opened here is not closed as a list or map; put names with "
          "brackets in quotes (\"octetDeltaCount[4]\") and close the list");
    CHECK(load_error("a: 1\n  b: 2\n") ==
          "f.yaml:2:4: this is not valid YAML: a ':' where no key can be; check the indentation, "
          "and put text with ': ' in quotes");
    for (const char* text : {"a: \"x\n", "a: \"x", "a: 'x\nb: 2\n", "a: 'it''s\n", "a: \"\\\"\n"}) {
        INFO(text);
        CHECK(load_error(text) == "f.yaml:1:4: this quoted text does not end; close the quote");
    }
    CHECK(load_error("a: 'it''s'\nb: \"\\\"\"\nc: [\"\", '']\n") == "no error");
    CHECK(load_error("a: *nope\n") ==
          "f.yaml:1:4: this is not valid YAML: the referenced anchor is not defined; check "
          "indentation, quotes and brackets");
    CHECK(load_error("? [a]\n: b\n") == "f.yaml:1:3: a key is a plain word here");
}

TEST_CASE("hostile documents end in a sentence, quickly", "[encoder][yaml][hostile]") {
    const auto repeat = [](const std::string& text, int times) {
        std::string out;
        for (int i = 0; i < times; ++i)
            out += text;
        return out;
    };
    CHECK(load_error("a: " + repeat("[", 100'000)) ==
          "f.yaml:1:36: this is nested deeper than 32 levels; flatten it");
    CHECK(load_error("a: " + repeat("{a: ", 100'000)).find("nested deeper than 32") !=
          std::string::npos);
    CHECK(load_error(repeat("- ", 100'000)).find("nested deeper than 32") != std::string::npos);
    CHECK(load_error(repeat("? ", 100'000)).find("a key is a plain word") != std::string::npos);
    std::string steps;
    for (int i = 0; i < 400; ++i)
        steps += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
    CHECK(load_error(steps).find("nested deeper than 32") != std::string::npos);
    CHECK(load_error("a: [" + repeat("x,", 300'000) + "]").find("more than 100000 values") !=
          std::string::npos);
    CHECK(load_error(std::string(kYamlOctetsMax + 1, '#')) ==
          "f.yaml: is larger than 1 MiB; a configuration is a few kilobytes");
    CHECK(load_error(std::string(200, 'k') + ": 1").find("too long") != std::string::npos);
    std::string laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n";
    for (char c = 'b'; c < 'j'; ++c) {
        laughs += std::string(1, c) + ": &" + c + " [*" + static_cast<char>(c - 1) + ",*" +
                  static_cast<char>(c - 1) + "]\n";
    }
    CHECK(load_error(laughs) ==
          "f.yaml:2:8: aliases (*name) are not supported here; write the value out");
    std::string many;
    for (int i = 0; i < 2000; ++i)
        many += "k" + std::to_string(i) + ": 1\n";
    CHECK(load_error(many) == "f.yaml:1001:1: this map has more than 1000 keys");
}

TEST_CASE("what is no readable file is refused by name", "[encoder][yaml][messages]") {
    const Directory directory;
    const auto file_error = [](const std::string& path) {
        return error_of([&] { static_cast<void>(YamlNode::load_file(path)); });
    };
    const std::string missing = directory.path + "/missing.yaml";
    CHECK(file_error(missing) == missing + ": there is no such file; check the path");
    CHECK(file_error(directory.path) ==
          directory.path + ": is a directory; name a YAML file in it");
    const std::string fifo = directory.path + "/fifo";
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    CHECK(file_error(fifo) == fifo + ": is not a regular file; name a YAML file");
    const std::string good = directory.path + "/good.yaml";
    std::ofstream(good) << "a: 1\n";
    CHECK(YamlNode::load_file(good).at("a").as_uint(0, 9) == 1);
    std::filesystem::resize_file(good, kYamlOctetsMax + 1);
    CHECK(file_error(good) == good + ": is larger than 1 MiB; a configuration is a few kilobytes");
}

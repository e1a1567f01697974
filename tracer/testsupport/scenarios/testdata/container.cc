// build: g++ -O2 -g
// A container of the kind that is given grows: map, strings or replace, which does not grow.
#include <map>
#include <string>
#include <vector>
#include "truth.h"

static std::map<int, std::string> peers;
static std::vector<std::string> lines;
static std::map<int, std::string> entries;

SITE void remember_peer(int i) {
	peers[i] = std::string(300, 'p');
	// A node has 32 bytes of the tree, the key and the string.
	truth_add(301 + 72, 320 + 80);
}

SITE void log_line(int i) {
	lines.push_back(std::string(500 + i % 8, 'l'));
	truth_block(lines.back().data(), 501 + i % 8);
}

SITE void replace_entry(int i) {
	entries[i % 5000] = std::string(300 + i % 50, 'e');
	truth_add(0, 0);
}

int main(int argc, char **argv) {
	std::string kind = argc > 1 ? argv[1] : "map";
	lines.reserve(1000000);
	for (int i = 0; i < 5000; i++)
		replace_entry(i);
	for (int i = 0;; i++) {
		if (kind == "map")
			remember_peer(i);
		else if (kind == "strings")
			log_line(i);
		else
			replace_entry(i);
		usleep(2000);
	}
}

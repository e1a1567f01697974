// build: g++ -O1 -g -std=c++17 -no-pie
#include "classes.h"

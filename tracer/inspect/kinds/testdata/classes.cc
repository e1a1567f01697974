// build: g++ -O1 -g -std=c++17
#include "classes.h"

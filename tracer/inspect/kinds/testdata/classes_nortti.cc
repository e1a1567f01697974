// build: g++ -O1 -g -std=c++17 -fno-rtti
#include "classes.h"

// build: gcc -O1 -g -shared -fPIC
// A library with variables that hold blocks, which planted.cc loads.
void *plugin_data[64] = {(void *)1};
static void *hidden[64];
static __thread void *plugin_thread[64];

void **plugin_hidden(void) { return hidden; }
void **plugin_thread_slots(void) { return plugin_thread; }

// Package changes says what changed between two reports: of two moments of a record, or of two
// traces, of other hosts or releases. They come from records, the JSON form, or pprof profiles.
//
// Stacks are joined by their frames. Of a file that has the same build ID on both sides a frame is
// its function with its line; of others, whose lines may have moved, it is the function alone. A
// frame without a name is its place in the file where the build is the same, else the file.
package changes

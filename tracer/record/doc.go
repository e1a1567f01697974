// Package record keeps snapshots of a trace in one file, and makes reports of them again, on any
// machine: the names of all frames are inside.
//
// A record is a head (magic and version, frame.go) and frames that are only ever added. Each
// frame has its length, type and time in a header with a checksum of its own, and a compressed
// payload with another. So a record that was cut off anywhere, by a kill or a full disk, is read
// up to its last whole frame, and frames that are not needed are passed over unread. The types:
//
//   - info: what made the record, and the columns of its tables
//   - definitions: strings, frames of stacks, and the stacks with their frames, each once
//   - snapshot: what changed since the snapshot before; or, now and then, all (a key)
//   - mark: a moment that somebody named
//   - restart: definitions begin anew, and a key follows
//   - end: the trace is over; a record without it was cut off
//
// The figures of a stack are a row of numbers, one for each field of report.Stack, by its name in
// JSON (columns.go). A reader takes the columns that it knows, so fields may be added without a
// new version. Everything else of a report is one JSON document, compressed by the one before.
//
// Ages are kept as times, so that a stack in which nothing happens does not change. Figures that
// only drift as time passes are kept anew once they are off by half a percent, and details, such as
// lists, in keys alone; at marks and at the end all of them are exact.
//
// Files have a bound. When it nears, older snapshots are thinned (thin.go): how far apart they are
// grows with their age. The thinned file is written beside the old one, and takes its name.
package record

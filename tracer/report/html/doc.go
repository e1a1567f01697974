// Package html writes reports as a page for browsers: one file that needs nothing else. What it
// says is in the page itself, so it can be read without scripts. The scripts add charts, a flame
// graph, and a table that can be sorted and filtered. They are built from web (make generate).
//
// Names come from the traced process, which may be hostile. html/template escapes them in the page,
// and the content security policy lets only the scripts and styles of this package run and nothing
// be loaded.
package html

//go:generate node web/build.mjs

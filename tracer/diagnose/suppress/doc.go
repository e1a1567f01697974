// Package suppress reads suppressions in LeakSanitizer's format, and says which of them hides a
// stack. What is hidden, and how it is counted, is up to package diagnose.
package suppress

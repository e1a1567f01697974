package report

import "fmt"

// Who names the process, or the processes that a report is the sum of. It is not escaped.
func (t *Target) Who() string {
	if t.Processes > 1 {
		return fmt.Sprintf("%s (%s processes that ended)", t.Command, Count(uint64(t.Processes)))
	}
	return fmt.Sprintf("%s (pid %d)", t.Command, t.PID)
}

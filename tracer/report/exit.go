package report

import "fmt"

// ended says how the process ended.
func (t *Target) ended() string {
	switch {
	case t.ExitSignal != "":
		return "process was ended by " + escape(t.ExitSignal)
	case t.ExitStatus != 0:
		return fmt.Sprintf("process exited with status %d", t.ExitStatus)
	}
	return "process exited"
}

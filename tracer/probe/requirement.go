package probe

import "fmt"

// RequirementError says that the kernel or the caller's privileges do not allow tracing. Its
// text names what is missing and the remedy.
type RequirementError struct {
	Needs, Remedy string
	err           error
}

func (e *RequirementError) Error() string {
	text := "needs " + e.Needs
	if e.err != nil {
		text += fmt.Sprintf(" (%v)", e.err)
	}
	return text + ": " + e.Remedy
}

func (e *RequirementError) Unwrap() error { return e.err }

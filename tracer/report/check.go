package report

import "errors"

// Check returns why a report that was read from a file cannot be one that memtrace made, nil if it
// can. The forms rely on what it checks.
func (r *Report) Check() error {
	windows, growth := r.Mode == ModeWindows, r.Mode == ModeGrowth
	switch {
	case !windows && !growth && r.Mode != ModeExact:
		return errors.New("its mode is unknown")
	case windows && r.Sampling == nil, growth && r.Growth == nil:
		return errors.New("what its mode needs is missing")
	}
	for i := range r.Stacks {
		s := &r.Stacks[i]
		if s.Estimate != nil && r.Sampling == nil {
			return errors.New("it has estimates without a sample")
		}
		if s.OwnFrame < 0 || s.OwnFrame >= max(len(s.Frames), 1) {
			return errors.New("a stack's own frame is none of its frames")
		}
	}
	if d := r.Diagnosis; d != nil {
		for i := range d.Accounts {
			if d.Accounts[i].Label == "" {
				return errors.New("an account has no label")
			}
		}
	}
	return nil
}

package report

// verdicts are what stacks that were counted are taken for: in words, and in as few as a column has
// room for.
var verdicts = map[StackClass]struct{ words, brief string }{
	ClassLeak:      {"leaks", "leaks"},
	ClassPossible:  {"may leak", "may leak"},
	ClassFilled:    {"does not grow", "no growth"},
	ClassReplaces:  {"replaces old blocks", "replaces"},
	ClassInherited: {"from before the fork", "from the fork"},
	ClassReserved:  {"reserved, no own memory", "reserved"},
}

// grownVerdicts are those of what system calls added, which need not be a leak of whoever made the
// call.
var grownVerdicts = map[StackClass]string{ClassLeak: "keeps growing", ClassPossible: "seems to grow", "": "growth"}

// Verdict says in words what a stack is taken for. It is empty where that was not judged.
func (s *Stack) Verdict() string {
	if text, ok := s.ownVerdict(); ok {
		return text
	}
	return verdicts[s.Class].words
}

// BriefVerdict is Verdict in fewer words.
func (s *Stack) BriefVerdict() string {
	if text, ok := s.ownVerdict(); ok {
		return text
	}
	return verdicts[s.Class].brief
}

// ownVerdict is that of an estimate and of growth.
func (s *Stack) ownVerdict() (text string, ok bool) {
	if s.Estimate != nil {
		return s.Estimate.Class, true
	}
	text, ok = grownVerdicts[s.Class]
	return text, ok && s.Kind == Grown
}

// VerdictAndRate is Verdict with how fast the stack leaks.
func (s *Stack) VerdictAndRate() string {
	rate, _, leaks := s.Leak()
	switch {
	case !leaks:
		return s.Verdict()
	case s.Estimate != nil:
		return s.Verdict() + " " + RateWithin(rate.Value, rate.Low, rate.High)
	}
	return s.Verdict() + " " + Rate(rate.Value)
}

// Leak returns how fast a stack leaks, in bytes that the allocator takes; certain means that this is
// beyond doubt, ok that it leaks or may leak.
func (s *Stack) Leak() (rate Bounds, certain, ok bool) {
	if e := s.Estimate; e != nil {
		return s.EstimatedRate(), e.Suspect(), e.listed()
	}
	exact := s.LeakBytesPerSecond
	return Bounds{exact, exact, exact}, s.Class == ClassLeak, s.Class == ClassLeak || s.Class == ClassPossible
}

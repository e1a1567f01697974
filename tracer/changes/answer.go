package changes

import (
	"fmt"

	"memtrace/tracer/diagnose/answer"
	"memtrace/tracer/report"
)

// answerOf is the first line: how much more, and where most of it is.
func answerOf(d *report.Diff) string {
	text := d.Signed(&d.Bytes)
	switch {
	case d.Seconds != 0 && !d.Estimated:
		text += " in " + report.Seconds(d.Seconds)
	case d.Seconds != 0:
		text += " after " + report.Seconds(d.Seconds)
	case d.AsAfterSeconds != 0:
		text += " as after " + report.Seconds(d.AsAfterSeconds)
	}
	if d.Unlisted > 0 {
		text += " in the stacks that are known of both"
		if d.Unlisted == len(d.Stacks) && d.Unchanged == 0 {
			return "no change is known: no stack is in both lists"
		}
	}
	if d.Bytes.Low != d.Bytes.High && !d.Bytes.Certain() {
		return text + ": no certain change"
	}
	total, sign := d.Grew, 1.0
	if d.Bytes.Change < 0 {
		total, sign = d.Shrank, -1
	}
	if d.Estimated && d.Bytes.From == 0 && d.Bytes.To == 0 {
		return "no change is known: no leak was found on either side"
	}
	if total == 0 {
		return text + ": no stack changed"
	}
	worst, sum := worstOf(d.Stacks, sign)
	if worst == nil {
		return text + ": its stacks are unknown"
	}
	share := sum / total
	most := "all"
	if share < 0.995 {
		most = fmt.Sprintf("%.0f %%", 100*share)
	}
	own := &worst.Frames[worst.OwnFrame]
	var caller *report.Frame
	if next := worst.OwnFrame + 1; next < len(worst.Frames) && !worst.Frames[next].Library {
		caller = &worst.Frames[next]
	}
	return text + ": " + most + " in " + answer.Site(own, caller)
}

// worstOf returns, of the function that most of the changes of a sign are in, the stack that changed
// most, and the sum of that function's.
func worstOf(stacks []report.DiffStack, sign float64) (worst *report.DiffStack, sum float64) {
	type of struct {
		most *report.DiffStack
		sum  float64
	}
	sums := make(map[[2]string]of)
	for i := range stacks {
		s := &stacks[i]
		if s.Bytes.Change*sign <= 0 || len(s.Frames) == 0 || s.State == report.DiffUncertain {
			continue
		}
		f := sums[culprit(s)]
		if f.sum += s.Bytes.Change * sign; f.most == nil || s.Bytes.Change*sign > f.most.Bytes.Change*sign {
			f.most = s
		}
		sums[culprit(s)] = f
		if f.sum > sum || worst != nil && culprit(worst) == culprit(s) {
			worst, sum = f.most, f.sum
		}
	}
	return worst, sum
}

// culprit is the function of the program that a stack is told by.
func culprit(s *report.DiffStack) [2]string {
	f := &s.Frames[s.OwnFrame]
	if f.Function == "" {
		return [2]string{f.Module, fmt.Sprint(f.Offset)}
	}
	return [2]string{"", f.Function}
}

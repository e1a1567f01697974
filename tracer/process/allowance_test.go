package process

import (
	"testing"
	"time"
)

func TestAllowance(t *testing.T) {
	ranges, listings, programs, files := followAllowances(0.003)
	if sum := ranges.share + listings.share + programs.share + files.share; sum > 0.003 {
		t.Errorf("shares %v, %v, %v and %v of 0.003", ranges.share, listings.share, programs.share, files.share)
	}
	modules, _, _, _ := followAllowances(0)
	if modules.share != rangeShare {
		t.Errorf("share %v where a trace may cost whatever it does", modules.share)
	}
	start := modules.at
	// What was saved up is available at once, but no more than that.
	modules.take(followBurst / 2)
	if wait := modules.wait(start); wait != 0 {
		t.Errorf("wait %v, with half of it left", wait)
	}
	modules.take(followBurst/2 + 10*time.Millisecond)
	if wait := modules.wait(start); wait < time.Second || wait > time.Second+time.Millisecond {
		t.Errorf("wait %v for what costs 10 ms at 1 %%", wait)
	}
	modules.take(time.Hour)
	if wait := modules.wait(start); wait > followPause+time.Millisecond {
		t.Errorf("wait %v, want %v at most", wait, followPause)
	}
	if wait := modules.wait(start.Add(time.Hour)); wait != 0 || modules.left != followBurst {
		t.Errorf("an hour later: wait %v, %v left", wait, modules.left)
	}
}

package process

import (
	"testing"

	"memtrace/tracer/process/target"
)

// Who has asked what a process is does not see what the follower adds later.
func TestTargetIsCopied(t *testing.T) {
	p := &Process{target: &target.Target{Objects: make([]*target.Object, 0, 4)}}
	p.target.Add([]*target.Object{{Path: "first", ID: target.FileID{Inode: 1}}})
	was := p.Target()
	p.target.Add([]*target.Object{{Path: "second", ID: target.FileID{Inode: 2}}})
	was.Objects = append(was.Objects, nil)
	if len(p.target.Objects) != 2 || p.target.Objects[1] == nil {
		t.Errorf("%v", p.target.Objects)
	}
}

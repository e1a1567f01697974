package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"memtrace/tracer/process/cgroup"
)

// targets are the processes to trace: those of -p, and those of cgroups.
type targets struct {
	pids                       pidsValue
	cgroups, containers, units []string
	// groups are the cgroups that the last three name.
	groups []*cgroup.Cgroup
}

func (t *targets) add(fs *pflag.FlagSet, purpose string) {
	fs.VarP(&t.pids, "pid", "p", "the process to "+purpose+", by id or name (repeatable; lists work too)")
	fs.StringArrayVar(&t.cgroups, "cgroup", nil, purpose+" all processes of the cgroup `PATH`, and those that join it")
	fs.StringArrayVar(&t.containers, "container", nil, purpose+" those of the container `ID` (docker, containerd, CRI-O, podman)")
	fs.StringArrayVar(&t.units, "unit", nil, purpose+" those of the systemd unit `NAME`")
}

// given reports whether the command line names processes.
func (t *targets) given() bool {
	return len(t.pids)+len(t.cgroups)+len(t.containers)+len(t.units) > 0
}

// source is the flag that names processes.
func (t *targets) source() string {
	switch {
	case len(t.pids) > 0:
		return "-p"
	case len(t.cgroups) > 0:
		return "--cgroup"
	case len(t.containers) > 0:
		return "--container"
	}
	return "--unit"
}

// find finds the cgroups and adds their processes to pids.
func (t *targets) find() error {
	for _, kind := range []struct {
		names []string
		find  func(string) (*cgroup.Cgroup, error)
	}{{t.cgroups, cgroup.ByPath}, {t.containers, cgroup.ByContainer}, {t.units, findUnit}} {
		for _, name := range kind.names {
			c, err := kind.find(name)
			if err != nil {
				return usageError{err}
			}
			pids, err := c.PIDs(nil)
			if err != nil {
				return err
			}
			if len(pids) == 0 {
				return usagef("no process runs in cgroup %s", c)
			}
			t.groups = append(t.groups, c)
			t.pids.add(pids...)
		}
	}
	return nil
}

// findUnit is cgroup.ByUnit with a hint for misspelt names.
func findUnit(name string) (*cgroup.Cgroup, error) {
	c, err := cgroup.ByUnit(name)
	if errors.Is(err, cgroup.ErrNotFound) {
		if meant := nearest(name, cgroup.Units()); meant != "" {
			return nil, usagef("no process runs in a unit %q: did you mean %s?", name, meant)
		}
	}
	return c, err
}

// members returns the processes that are in the cgroups now, in order, given those of the look
// before. A cgroup that is gone has none, and one that cannot be read at the moment may be at the
// next look.
func (t *targets) members(known []int) (pids []int) {
	for _, c := range t.groups {
		more, err := c.PIDs(known)
		if err == nil {
			pids = append(pids, more...)
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

// joinInterval is how often memtrace looks for processes that have joined a cgroup.
const joinInterval = 100 * time.Millisecond

// adoptMembers traces the processes that join the cgroups, until ctx is done.
func (s *session) adoptMembers(ctx context.Context) {
	known := slices.Sorted(slices.Values(s.pids))
	tick := time.NewTicker(joinInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		members := s.members(known)
		for _, pid := range members {
			if _, ok := slices.BinarySearch(known, pid); ok || s.tracer.Traces(pid) || ctx.Err() != nil {
				continue
			}
			switch err := s.tracer.Adopt(pid, false); {
			case err == nil:
				s.log.message("process %d has joined: it is traced, too", pid)
			case ctx.Err() == nil:
				s.refused(err, "it has joined, and is not traced")
			}
		}
		known = members
	}
}

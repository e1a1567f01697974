package probe

import (
	"errors"
	"io"
	"slices"
	"sync"
)

// Attached is all probes in place, so that they can be taken away even while whoever attached
// them is stuck, for example on a file that never answers.
type Attached struct {
	mu      sync.Mutex
	over    bool
	all     map[io.Closer]struct{}
	anchors []*Anchor
}

var errOver = errors.New("the trace is over")

// add notes a probe. Once all have been taken away, it closes the probe and returns an error.
func (a *Attached) add(l io.Closer) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return errors.Join(errOver, l.Close())
	}
	if a.all == nil {
		a.all = make(map[io.Closer]struct{})
	}
	a.all[l] = struct{}{}
	return nil
}

// forget hands a probe over, and reports whether it was still noted.
func (a *Attached) forget(l io.Closer) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, there := a.all[l]
	delete(a.all, l)
	return there
}

// Close takes away those of the probes that are still in place.
func (a *Attached) Close(list Links) error {
	var there Links
	for _, l := range list {
		if a.forget(l) {
			there = append(there, l)
		}
	}
	return there.Close()
}

// Anchor notes an anchor, which goes after all probes.
func (a *Attached) Anchor(one *Anchor) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.anchors = append(a.anchors, one)
}

// CloseAnchor closes the anchor of a process that has ended.
func (a *Attached) CloseAnchor(one *Anchor) error {
	a.mu.Lock()
	a.anchors = slices.DeleteFunc(a.anchors, func(other *Anchor) bool { return other == one })
	a.mu.Unlock()
	return one.Close()
}

// CloseProbes takes all probes away, except the anchors, and lets no more be added.
func (a *Attached) CloseProbes() error {
	a.mu.Lock()
	var all Links
	for l := range a.all {
		all = append(all, l)
	}
	a.over, a.all = true, nil
	a.mu.Unlock()
	return all.Close()
}

// CloseAnchors closes the anchors. Call it when all other probes are gone.
func (a *Attached) CloseAnchors() error {
	a.mu.Lock()
	var anchors Links // each waits as a probe does
	for _, one := range a.anchors {
		anchors = append(anchors, one)
	}
	a.anchors = nil
	a.mu.Unlock()
	return anchors.Close()
}

package probe

import (
	"errors"
	"io"
	"sync"
)

// Attached is all probes that are in place, so that they can be taken away whatever those
// who put them there are waiting for: a file that never answers, say.
type Attached struct {
	mu      sync.Mutex
	over    bool
	all     map[io.Closer]struct{}
	anchors []*Anchor
}

var errOver = errors.New("the trace is over")

// add notes a probe. It closes it, and returns an error, where all have been taken away.
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

// forget hands a probe over, and reports whether it was there.
func (a *Attached) forget(l io.Closer) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, there := a.all[l]
	delete(a.all, l)
	return there
}

// Close takes probes away that are still there.
func (a *Attached) Close(list Links) error {
	var there Links
	for _, l := range list {
		if a.forget(l) {
			there = append(there, l)
		}
	}
	return there.Close()
}

// Anchor notes an anchor, which is taken away after all probes.
func (a *Attached) Anchor(one *Anchor) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.anchors = append(a.anchors, one)
}

// CloseProbes takes all probes away, but for the anchors, and has no more come.
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

// CloseAnchors is for when all other probes are gone.
func (a *Attached) CloseAnchors() (err error) {
	a.mu.Lock()
	anchors := a.anchors
	a.anchors = nil
	a.mu.Unlock()
	for _, one := range anchors {
		err = errors.Join(err, one.Close())
	}
	return err
}

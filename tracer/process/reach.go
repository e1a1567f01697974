package process

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"memtrace/tracer/probe"
	"memtrace/tracer/process/procmem"
	"memtrace/tracer/process/target"
)

// The kernel accepts a probe on a place in a file whether or not it gets into the process. The
// process may have mapped another file (an overlay's), or mapped its code in a way that the
// kernel leaves alone. A breakpoint may also be taken away later, by a debugger for example.
// So memtrace looks at the places in the process's memory.

// reach is what is known of where a process's probes are. Group.attaching guards it.
type reach struct {
	// places are where an object's probes belong in memory, as of the last reading of the
	// mappings.
	places map[*target.Object][]target.Place
	// said is what was last logged about missing probes.
	said string
}

// lacking returns the places of an object, among those that set puts probes at, where the
// process's memory has no probe. It returns none if that cannot be told because the process is
// about to end. Two looks at different moments must agree.
func (p *Process) lacking(o *target.Object, set probe.Part) []target.Place {
	const pause = 20 * time.Millisecond
	if places, ok := p.reach.places[o]; ok && len(notProbed(p.target.PID, places, set)) == 0 {
		return nil
	}
	var lacks []target.Place
	for look := range 2 {
		if look > 0 {
			time.Sleep(pause)
		}
		places, err := p.target.Places(o)
		if err != nil {
			return nil
		}
		if p.reach.places == nil {
			p.reach.places = make(map[*target.Object][]target.Place)
		}
		p.reach.places[o] = places
		if lacks = notProbed(p.target.PID, places, set); len(lacks) == 0 {
			return nil
		}
	}
	if p.Gone() {
		return nil
	}
	return lacks
}

// notProbed reads the memory at places, and returns those in set that have no probe. A page
// with a probe in it is the process's own copy, and is in memory or swapped out. Other pages
// need not be looked at.
func notProbed(pid int, places []target.Place, set probe.Part) (lacks []target.Place) {
	memory, err := procmem.Open(pid)
	if err != nil {
		return nil
	}
	defer func() { _ = memory.Close() }() // it was only read
	spans := make([]procmem.Span, len(places))
	for i := range places {
		spans[i] = procmem.Span{Addr: places[i].Addr, Buf: make([]byte, places[i].Width())}
	}
	memory.Read(spans)
	for i, place := range places {
		if set&probe.PartOf(place.Probe.Role) == 0 {
			continue
		}
		if place.Barred != "" || !spans[i].OK || !place.Probed(spans[i].Buf) {
			lacks = append(lacks, place)
		}
	}
	return lacks
}

// attachReaching attaches an object's probes, and checks that they get into the process. If
// they do not, it looks for the mapped file among the layers of its overlay. It returns the
// places that no probe reaches.
func (g *Group) attachReaching(p *Process, o *target.Object, set probe.Part) (probe.Links, []target.Place, error) {
	attached, err := g.probes.Attach(p.target.PID, o, set)
	if err != nil {
		return nil, nil, err
	}
	lacks := p.lacking(o, set)
	if !slices.ContainsFunc(lacks, func(l target.Place) bool { return l.Barred == "" }) {
		return attached, lacks, nil
	}
	for _, layer := range p.target.Layers(o) {
		if len(lacks) == 0 {
			layer.Close()
			continue
		}
		better, err := g.probes.Attach(p.target.PID, layer, set)
		if err != nil {
			layer.Close()
			continue
		}
		less, useless := p.lacking(layer, set), better
		delete(p.reach.places, layer)
		if len(less) < len(lacks) {
			o.Replace(layer)
			delete(p.reach.places, o)
			useless, attached, lacks = attached, better, less
		} else {
			layer.Close()
		}
		if err := g.attached.Close(useless); err != nil {
			g.cfg.Logf("take probes away that do not reach process %d: %v", p.target.PID, err)
		}
	}
	return attached, lacks, nil
}

// describeLacks says which functions no probe reaches and why. elsewhere is the reason given
// when the mapping shows none.
func describeLacks(lacks []target.Place, elsewhere string) string {
	var texts []string
	for len(lacks) > 0 {
		first := lacks[0]
		var names []string
		var rest []target.Place
		for _, l := range lacks {
			switch {
			case l.Object.ID != first.Object.ID || l.Barred != first.Barred:
				rest = append(rest, l)
			case !slices.Contains(names, l.Probe.Name):
				names = append(names, l.Probe.Name)
			}
		}
		lacks = rest
		const shown = 3
		if len(names) > shown+1 {
			names = append(names[:shown:shown], fmt.Sprintf("%d more functions", len(names)-shown))
		}
		why := elsewhere
		if first.Barred != "" {
			why = "their code " + first.Barred
		}
		texts = append(texts, fmt.Sprintf("no probe reaches %s of %s: %s", list(names), first.Object.Path, why))
	}
	return strings.Join(texts, "; ")
}

// list joins names as a sentence does.
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// Reasons why a probe is not in memory although the mapping of its place allows one: right
// after it was attached, and later.
const (
	otherFile = "the process runs the code of another file than is found by that name now, or a copy of the code"
	takenAway = "the breakpoint was taken away, as debuggers do, or the code was written over"
)

// unreachedError says that no probe on the functions that serve a process reaches it.
type unreachedError struct {
	process, why string
}

func (e *unreachedError) Error() string { return e.process + " cannot be traced: " + e.why }

// lack notes what is not seen of a process from now on, once for the same text.
func (g *Group) lack(p *Process, why string) {
	if p.reach.said == why {
		return
	}
	p.reach.said = why
	g.cfg.Logf("%v: %s: the report is not complete", p, why)
	p.note(why)
}

// note has the reports say what was not seen of a process.
func (p *Process) note(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.unprobed, why) {
		p.unprobed = append(p.unprobed, why)
	}
}

// attach puts probes on every object that serves allocations. It is an error if none of the
// probes on the allocator that serves the process gets there.
func (g *Group) attach(p *Process) error {
	if p.debugger.writesCode() {
		if names := foreignBreakpoints(p); len(names) > 0 {
			g.lack(p, fmt.Sprintf("breakpoints of %v were at %s when tracing began: it takes probes away with them", p.debugger, list(names)))
		}
	}
	var lacks []target.Place
	for _, o := range p.target.Objects {
		attached, missing, err := g.attachReaching(p, o, probe.Whole)
		if err != nil {
			return err
		}
		p.links = append(p.links, attached...)
		unreached := len(missing) > 0 && len(missing) == len(p.reach.places[o])
		// If other objects exist and no function of this file is mapped, none of its functions
		// can be called.
		if len(p.target.Objects) > 1 && !slices.ContainsFunc(missing, func(l target.Place) bool { return l.Addr != 0 }) {
			unreached = false
		}
		if o == p.target.Allocator() && unreached {
			return &unreachedError{
				p.String(), describeLacks(missing, otherFile),
			}
		}
		lacks = append(lacks, missing...)
	}
	if len(lacks) > 0 {
		g.lack(p, describeLacks(lacks, otherFile))
	}
	p.probed.Store(true)
	return nil
}
